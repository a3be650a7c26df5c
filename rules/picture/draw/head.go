package draw

import (
	"strings"

	"dockwall/rules/picture"
)

// leastWidth is what the sheet's head and legend need.
const leastWidth = 900

// headHeight is what the title and the warnings take.
func (l *layouter) headHeight() int { return 80 + 30*len(l.p.Warnings) }

// head writes the title, the sums and the warnings.
func (l *layouter) head(title string) {
	sums, room := l.sums(), l.sheet.width-2*margin
	l.sheet.title = "Access: " + title
	l.sheet.desc = strings.Join(append([]string{sums}, l.p.Warnings...), " ")
	n := node{}
	n.add(sans("strong", margin, 40, room, 20, "Access"))
	n.add(sans("muted", margin, 60, room, 12, clean(title)+" · "+sums))
	l.sheet.add(n)
	y := 72
	for _, w := range l.p.Warnings {
		b := node{tip: w}
		b.add(rect("banner", box{margin, y, room, 24}, 5))
		b.add(sans("ink", margin+10, y+16, room-20, 12, w))
		l.sheet.add(b)
		y += 30
	}
}

// sums count what is there and what is open.
func (l *layouter) sums() string {
	networks, running := 0, 0
	for _, n := range l.p.Networks {
		if n.Bridge != "" {
			networks++
		}
	}
	open, closed := 0, 0
	for _, c := range l.p.Containers {
		if c.State == "running" {
			running++
		}
		for _, p := range c.Ports {
			switch p.State {
			case picture.Open:
				open++
			case picture.Closed:
				closed++
			}
		}
	}
	parts := []string{plural(networks, "network"), plural(running, "running container"),
		plural(open+closed, "published port") + ": " + count(open) + " open from outside, " + count(closed) + " closed to all"}
	if l.p.Engine != "" {
		parts = append([]string{"Docker " + clean(l.p.Engine)}, parts...)
	}
	return strings.Join(parts, " · ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// sign is an entry of the legend.
type sign struct {
	text string
	draw func(x, y int) []shape
}

func signs() []sign {
	c := laneClass(1)
	onLane := func(d func(x, y int) shape) func(x, y int) []shape {
		return func(x, y int) []shape {
			return []shape{path("l"+c, x, y-8, x, y+8), path("wire", x-12, y, x+12, y), d(x, y)}
		}
	}
	one := func(d func(x, y int) shape) func(x, y int) []shape {
		return func(x, y int) []shape { return []shape{d(x, y)} }
	}
	return []sign{
		{"let through by the policy of this colour", onLane(func(x, y int) shape { return dot("d"+c+" dot", x, y, 5) })},
		{"only some of those on it", onLane(func(x, y int) shape { return dot("part p"+c, x, y, 4) })},
		{"crossing only", onLane(func(x, y int) shape { return path("wire", x-12, y, x+12, y) })},
		{"closed", one(func(x, y int) shape { return cross("x", x, y) })},
		{"open", one(func(x, y int) shape { return dot("all", x, y, 4) })},
		{"only what a policy lists", one(func(x, y int) shape { return dot("few", x, y, 4) })},
	}
}

// legend explains the signs, in as many lines as they need.
func (l *layouter) legend() {
	x, y := margin, l.sheet.height+6
	n := node{}
	for _, s := range signs() {
		need := 34 + width(s.text, 11, sansWidth) + 22
		if x > margin && x+need > l.sheet.width-margin {
			x, y = margin, y+24
		}
		n.add(s.draw(x+12, y)...)
		n.add(sans("muted", x+32, y+4, need, 11, s.text))
		x += need
	}
	y += 24
	n.add(sans("muted", margin, y, l.sheet.width-2*margin, 11,
		"out, host: what a container may reach outside, and of the host's own services. Containers' own addresses are closed to the outside but where a network says otherwise."))
	l.sheet.add(n)
	l.sheet.height = y + 18
}
