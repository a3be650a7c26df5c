package draw

import (
	"slices"
	"strings"

	"dockwall/rules/picture"
)

// card is a policy's box. One that judges both what comes in and what leaves
// has two.
type card struct {
	policy *picture.Policy
	// lane is its name, and the family that it is for if not for both.
	lane  string
	color int
	lines []string
	tip   string
	// unused: nothing in the picture passes by it.
	unused bool
	box    box
	// wanted is where its middle would best be.
	wanted int
}

const (
	cardWidth  = 204
	cardLine   = 15
	cardMargin = 8
)

// incoming and leaving tell on which side of the containers the file's blocks
// stand.
func incoming(p *picture.Policy) bool {
	return p.Kind == "published" || p.Kind == "direct" || p.Kind == "docker_api" || p.Kind == "block" && len(p.From) > 0
}

func leaving(p *picture.Policy) bool {
	return p.Kind == "between" || p.Kind == "egress" || p.Kind == "host" || p.Kind == "block" && len(p.To) > 0
}

// cards are the policies of one side: the file's, and the defaults that have a
// plug there.
func cards(p *picture.Picture, belongs func(*picture.Policy) bool, used map[string]bool, inward bool) []card {
	var out []card
	color := 0
	for i := range p.Policies {
		pol := &p.Policies[i]
		if pol.Kind != "block" {
			color++
		}
		found := false
		for _, lane := range []string{pol.Name, pol.Name + " IPv4", pol.Name + " IPv6"} {
			if used[lane] {
				out, found = append(out, newCard(pol, lane, color, inward, false)), true
			}
		}
		if !found && belongs(pol) {
			out = append(out, newCard(pol, pol.Name, color, inward, pol.Kind != "block"))
		}
	}
	return out
}

func newCard(pol *picture.Policy, lane string, color int, inward, unused bool) card {
	c := card{policy: pol, lane: lane, unused: unused}
	if pol.Kind != "block" {
		c.color = 1 + (color-1)%len(lanes)
	}
	c.describe(inward)
	c.box.w, c.box.h = cardWidth, 2*cardMargin+cardLine*(1+len(c.lines))
	if pol.Position != "" {
		c.box.h += cardLine
	}
	return c
}

// describe puts what the block says into a few lines.
func (c *card) describe(inward bool) {
	p := c.policy
	switch {
	case p.Kind == "block" && inward:
		c.lines = []string{"before everything: stopped"}
	case p.Kind == "block":
		c.lines = []string{"no container to " + short(p.To)}
	case p.Kind == "defaults" || p.Kind == "network":
		c.lines = []string{"whatever no policy says"}
	case p.Kind == "between":
		c.lines = []string{portsOr(p, "every port")}
	case p.Kind == "egress":
		c.lines = []string{"to " + short(p.To), portsOr(p, "every port")}
	case p.Kind == "host":
		c.lines = []string{"to the host: " + portsOr(p, "every port")}
	case p.Kind == "direct":
		// The picture has no ports for what is routed past the published ones.
		c.lines, c.unused = []string{"straight to " + orEvery(p.To), portsOr(p, "every port")}, false
	case p.Kind == "docker_api":
		c.lines = []string{"Docker's TCP ports"}
	case incoming(p):
		c.lines = []string{portsOr(p, "every published port")}
	}
	if len(p.Via) > 0 {
		c.lines = append(c.lines, "by "+short(p.Via))
	}
	if c.unused {
		c.lines = append(c.lines, "(lets nothing through now)")
	}
	c.tip = c.tooltip()
}

// orEvery is what to names, or everything.
func orEvery(to []string) string {
	if len(to) == 0 {
		return "every container"
	}
	return short(to)
}

func (c *card) tooltip() string {
	p := c.policy
	lines := []string{joined(p.Name, p.Position)}
	for _, l := range []struct {
		word string
		of   []string
	}{{"from", p.From}, {"to", p.To}, {"ports", p.Ports}, {"via", p.Via}, {"except", p.Except}} {
		if len(l.of) > 0 {
			lines = append(lines, l.word+" "+firsts(l.of, 12))
		}
	}
	if c.unused {
		lines = append(lines, "nothing here passes by it now")
	}
	return strings.Join(lines, "\n")
}

func portsOr(p *picture.Policy, every string) string {
	if len(p.Ports) == 0 {
		return every
	}
	return strings.Join(p.Ports, ", ")
}

// short are names without their kind.
func short(names []string) string {
	var out []string
	for _, n := range names {
		for _, kind := range []string{"addresses.", "containers.", "interfaces."} {
			n = strings.TrimPrefix(n, kind)
		}
		out = append(out, n)
	}
	return strings.Join(out, ", ")
}

// stack places cards below each other, each as near to where it is wanted as
// those above allow; those without a preferred place come last.
func stack(cs []card, top int) {
	slices.SortStableFunc(cs, func(a, b card) int {
		if a.unused != b.unused {
			if a.unused {
				return 1
			}
			return -1
		}
		return a.wanted - b.wanted
	})
	y := top
	for i := range cs {
		cs[i].box.y = max(y, cs[i].wanted-cs[i].box.h/2)
		y = cs[i].box.y + cs[i].box.h + 12
	}
}

func (c *card) draw() node {
	b := c.box
	n := node{tip: c.tip}
	if c.unused {
		n.class = "dim"
	}
	n.add(rect("card", b, 6), rect("d"+laneClass(c.color), box{b.x, b.y, 5, b.h}, 2))
	x, y, room := b.x+14, b.y+cardMargin+11, b.w-22
	n.add(mono("strong", x, y, room, 12, c.lane))
	for _, l := range c.lines {
		y += cardLine
		n.add(sans("ink", x, y, room, 11, l))
	}
	if c.policy.Position != "" {
		n.add(mono("muted", x, y+cardLine, room, 10, c.policy.Position))
	}
	return n
}
