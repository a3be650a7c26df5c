package draw

import (
	"slices"
	"strings"

	"dockwall/rules/picture"
)

// group is a network's box, or the host's.
type group struct {
	title, sub, tip string
	badges          []badge
	// loose: what is in it is not held by any rule.
	loose bool
	// exits: its members have an outside and a host.
	exits bool
	rows  []member
	box   box
}

// badge is a word at the box's head.
type badge struct{ class, text string }

// member is a container's row.
type member struct {
	name, note, tip string
	dim             bool
	ports           []port
	// instead stands where the ports would.
	instead       string
	outside, host picture.Exit
	// sends and takes are what it has to do with the policies to the right.
	sends, takes []plug
	box          box
}

// port is a published port's pill.
type port struct {
	text, tip string
	state     picture.State
	plugs     []plug
	of        *picture.Port
	y         int
}

// groups are the networks, the host after them, and what is on none.
func groups(p *picture.Picture) []group {
	var out []group
	host := group{title: "the host itself", sub: "Docker's ports, and containers on the host's network", rows: []member{apiRow(p)}}
	var last []group
	for i := range p.Networks {
		n := &p.Networks[i]
		switch {
		case n.Driver == "host":
			host.rows = append(host.rows, rowsOf(p, n)...)
		case n.Name == "":
			if g := noneGroup(p, n); len(g.rows) > 0 {
				last = append(last, g)
			}
		default:
			out = append(out, networkGroup(p, n))
		}
	}
	return append(append(out, host), last...)
}

func networkGroup(p *picture.Picture, n *picture.Network) group {
	g := group{title: n.Name, loose: !n.Covered, exits: n.Covered, rows: rowsOf(p, n)}
	words := []string{n.Driver}
	if n.Bridge != "" && n.Bridge != n.Name {
		words = append(words, n.Bridge)
	}
	for _, s := range n.Subnets {
		words = append(words, s.String())
	}
	g.sub = strings.Join(words, "  ")
	g.tip = n.Name + "\n" + strings.Join(words, "\n")
	if !n.Covered {
		g.badges = append(g.badges, badge{"warn", "not covered"})
		g.tip += "\nIts traffic never meets the host's rules: nothing here holds it."
		return g
	}
	if n.Internal {
		g.badges = append(g.badges, badge{"muted", "internal"})
	}
	if n.Straight == picture.Open || n.Straight == picture.Some {
		g.badges = append(g.badges, badge{"warn", "reached straight"})
	}
	g.tip += "\nFrom outside straight to a container's address, past its published ports: " + string(n.Straight) + "."
	if text, tip := inside(n); text != "" {
		g.badges = append(g.badges, badge{"muted", text})
		g.tip += "\n" + tip
	}
	return g
}

// inside says what the network's containers may of each other.
func inside(n *picture.Network) (text, tip string) {
	switch n.Between {
	case picture.Open:
		return "open inside", "Its containers reach each other on every port."
	case picture.Closed:
		return "isolated", "Its containers do not reach each other."
	case picture.Some:
		return "isolated except for →", "Its containers reach each other only as the policies to the right list."
	}
	return "", ""
}

func rowsOf(p *picture.Picture, n *picture.Network) []member {
	var out []member
	for i := range n.Members {
		m := &n.Members[i]
		row := memberRow(p, n, m)
		for _, pair := range n.Pairs {
			if slices.Contains(pair.Senders, i) {
				row.sends = append(row.sends, plug{policy: laneOf(&pair)})
			}
			if slices.Contains(pair.Targets, i) {
				row.takes = append(row.takes, plug{policy: laneOf(&pair), into: true})
			}
		}
		out = append(out, row)
		if m.Home {
			out = append(out, sharers(p, m.Container)...)
		}
	}
	return out
}

// laneOf names the pair's lane: the policy, or the policy in one family.
func laneOf(p *picture.Pair) string { return strings.TrimSuffix(p.Policy+" "+p.Family, " ") }

func memberRow(p *picture.Picture, n *picture.Network, m *picture.Member) member {
	c := &p.Containers[m.Index]
	row := member{name: c.Name, outside: m.Outside, host: m.Host, dim: c.State != "running"}
	var addrs []string
	for _, a := range m.Addrs {
		addrs = append(addrs, a.String())
	}
	row.note = strings.Join(addrs[:min(1, len(addrs))], "")
	row.tip = containerTip(c) + "\n" + strings.Join(addrs, ", ")
	if n.Covered {
		row.tip += "\nto the outside: " + exitText(m.Outside) + "\nto the host's own services: " + exitText(m.Host)
	}
	for _, e := range []picture.Exit{m.Outside, m.Host} {
		for _, by := range e.By {
			if e.State == picture.Some {
				row.sends = append(row.sends, plug{policy: by})
			}
		}
	}
	switch {
	case m.Home:
		for i := range c.Ports {
			row.ports = append(row.ports, pill(c.Name, &c.Ports[i]))
		}
		if c.HostNetwork && len(c.Ports) == 0 {
			row.instead = "not judged"
			row.tip += "\nNo policy names one of its ports: they are as open as the host's own firewall leaves them."
		}
	case len(c.Ports) > 0:
		row.instead = "ports: see " + home(p, m.Index)
	}
	return row
}

func containerTip(c *picture.Container) string {
	tip := c.Name
	if c.Image != "" {
		tip += "\n" + c.Image
	}
	if c.State != "running" {
		tip += "\n" + c.State
	}
	return tip
}

// home is the network where the container's ports are drawn.
func home(p *picture.Picture, container int) string {
	for _, n := range p.Networks {
		for _, m := range n.Members {
			if m.Index == container && m.Home {
				return n.Name
			}
		}
	}
	return ""
}

func exitText(e picture.Exit) string {
	by := ""
	if len(e.By) > 0 {
		by = " (" + strings.Join(e.By, ", ") + ")"
	}
	switch e.State {
	case picture.Open:
		return "everything"
	case picture.Some:
		return "only what is listed" + by
	case picture.Closed:
		return "nothing" + by
	case picture.Internal:
		return "nothing: Docker keeps the network internal"
	}
	return "not asked"
}

// sharers are the containers that use this one's network.
func sharers(p *picture.Picture, owner string) []member {
	var out []member
	for i := range p.Containers {
		if c := &p.Containers[i]; c.SharesWith == owner {
			out = append(out, member{name: c.Name, note: "shares " + owner, dim: c.State != "running",
				tip: containerTip(c) + "\nuses the network of " + owner + ", and is judged as that one"})
		}
	}
	return out
}

func noneGroup(p *picture.Picture, n *picture.Network) group {
	g := group{title: "not running, or on no network", tip: "No client reaches them now."}
	for i := range n.Members {
		m := &n.Members[i]
		if p.Containers[m.Index].SharesWith == "" {
			row := memberRow(p, n, m)
			row.note = p.Containers[m.Index].State
			g.rows = append(g.rows, row)
			g.rows = append(g.rows, sharers(p, m.Container)...)
		}
	}
	return g
}

// apiRow are the engine's own ports, those in one pill that fare alike.
func apiRow(p *picture.Picture) member {
	row := member{name: "Docker API", note: "root access", tip: "Docker's own TCP ports: a client that reaches them is root on this host."}
	var kept []*picture.Port
	for i := range p.API {
		a := &p.API[i]
		j := slices.IndexFunc(kept, func(k *picture.Port) bool { return alike(k, a) })
		if j < 0 {
			kept = append(kept, a)
			row.ports = append(row.ports, pill("Docker API", a))
			continue
		}
		row.ports[j].text = strings.TrimSuffix(row.ports[j].text, "/tcp") + ", " + a.Host
		row.ports[j].tip += "\n" + a.Host + " likewise"
	}
	return row
}

func alike(a, b *picture.Port) bool {
	same := func(x, y picture.Access) bool {
		return x.Gate == y.Gate && x.Source == y.Source && x.Policy == y.Policy
	}
	return a.State == b.State && slices.EqualFunc(a.Access, b.Access, same)
}

func pill(owner string, p *picture.Port) port {
	out := port{text: p.Host, state: p.State, of: p}
	if p.Own != p.Host && !strings.HasSuffix(p.Host, ":"+p.Own) {
		both := strings.TrimSuffix(p.Host, p.Own[strings.Index(p.Own, "/"):]) + " → " + p.Own
		if width(both, pillSize, monoWidth) <= pillWidth-pillInset {
			out.text = both
		}
	}
	switch {
	case p.Routed:
		out.text += " routed"
	case p.Straight:
		out.text += " direct"
	}
	for _, a := range p.Access {
		if !slices.ContainsFunc(out.plugs, func(g plug) bool { return g.policy == a.Policy }) {
			out.plugs = append(out.plugs, plug{policy: a.Policy, into: true})
		}
	}
	out.tip = portTip(owner, p)
	return out
}

func portTip(owner string, p *picture.Port) string {
	lines := []string{owner + ": " + p.Host}
	if p.Own != p.Host {
		lines[0] += " → " + p.Own + " in the container"
	}
	if p.Routed || p.Straight {
		lines[0] += ", at the container's own address"
	}
	switch p.State {
	case picture.NotCovered:
		return lines[0] + "\nnot covered: it is on a network whose traffic never meets the host's rules"
	case picture.Stopped:
		return lines[0] + "\nthe container does not run"
	case picture.Unassigned:
		return lines[0] + "\nDocker has not picked a port of the host, or the host does not have the address now"
	case picture.Open:
		lines = append(lines, "open to")
	default:
		lines = append(lines, "closed to the outside")
	}
	for i, a := range p.Access {
		if i == 24 {
			lines = append(lines, "  and "+count(len(p.Access)-i)+" more")
			break
		}
		line := "  " + a.From + " by " + strings.Join(a.Via, ", ") + ": " + joined(a.Policy, a.Position)
		if len(a.But) > 0 {
			line += ", but not " + firsts(a.But, 4)
		}
		lines = append(lines, line)
	}
	if len(p.ClosedBy) > 0 {
		lines = append(lines, "refused by "+strings.Join(p.ClosedBy, ", "))
	}
	return strings.Join(lines, "\n")
}
