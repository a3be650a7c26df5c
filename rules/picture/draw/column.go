package draw

import (
	"slices"
	"strings"

	"dockwall/rules/picture"
)

// draw adds the columns: boxes, then lanes, then wires and dots over them.
func (l *layouter) draw() {
	l.titles()
	for i := range l.gates {
		l.sheet.add(l.gates[i].draw()...)
	}
	for i := range l.groups {
		l.sheet.add(l.groups[i].drawBox())
	}
	edges := l.edges()
	var over []node
	for _, g := range []struct {
		*gutter
		edge func(y int) int
	}{{&l.in, func(int) int { return margin + gateWidth }}, {&l.to, func(y int) int { return edges[y] }},
		{&l.out, func(int) int { return l.out.x - 10 }}} {
		lanes, wires := g.draw(g.edge)
		l.sheet.add(lanes...)
		over = append(over, wires...)
	}
	for _, cs := range [][]card{l.middle, l.right} {
		for i := range cs {
			l.sheet.add(cs[i].draw())
		}
	}
	for i := range l.groups {
		l.sheet.add(l.groups[i].drawRows()...)
	}
	l.sheet.add(over...)
}

// edges are where the wires of ports end, by their height.
func (l *layouter) edges() map[int]int {
	edges := map[int]int{}
	for _, g := range l.groups {
		for _, m := range g.rows {
			for _, p := range m.ports {
				edges[p.y] = m.box.x + memberPad
			}
		}
	}
	return edges
}

// titles head the columns.
func (l *layouter) titles() {
	y := l.top + 10
	n := node{}
	n.add(sans("muted", margin, y, gateWidth, 11, "COMES IN BY, FROM"))
	if len(l.middle) > 0 {
		n.add(sans("muted", l.middle[0].box.x, y, cardWidth, 11, "POLICIES"))
	}
	if len(l.groups) > 0 {
		n.add(sans("muted", l.groups[0].box.x, y, groupWidth, 11, "PUBLISHED PORTS, CONTAINERS"))
	}
	if len(l.right) > 0 {
		n.add(sans("muted", l.right[0].box.x, y, cardWidth, 11, "AND WHAT THEY MAY REACH"))
	}
	l.sheet.add(n)
}

// nicLines are the gate's NICs, the first few.
func nicLines(g *picture.Gate) []string {
	var lines []string
	for i, n := range g.NICs {
		if i == 5 && len(g.NICs) > 6 {
			lines = append(lines, "and "+count(len(g.NICs)-i)+" more")
			break
		}
		lines = append(lines, n.Name)
	}
	if len(lines) == 0 {
		lines = []string{"any interface"}
	}
	return lines
}

func (g *gateBox) draw() []node {
	b := g.box
	head := node{tip: gateTip(g.gate)}
	head.add(rect("group", b, 8))
	y := b.y + 20
	for i, line := range g.lines {
		used := width(fit(line, 100, 13, monoWidth), 13, monoWidth)
		head.add(mono("strong", b.x+12, y, 100, 13, line))
		if i < len(g.gate.NICs) && !strings.HasPrefix(line, "and ") {
			n := g.gate.NICs[i]
			var words []string
			for _, a := range n.Addrs {
				words = append(words, a.String())
			}
			class := "muted"
			if !n.Up {
				words = append([]string{"down"}, words...)
			}
			head.add(letters(class, 0, y, some(words, b.w-34-used, 10, monoWidth), 10, true).toEnd(b.x + b.w - 12))
		}
		y += lineHeight
	}
	nodes := []node{head}
	for i := range g.entries {
		nodes = append(nodes, g.entries[i].draw(b))
	}
	return nodes
}

func gateTip(g *picture.Gate) string {
	var lines []string
	for _, n := range g.NICs {
		words := []string{n.Name}
		if n.Kind != "" {
			words = append(words, n.Kind)
		}
		for _, a := range n.Addrs {
			words = append(words, a.String())
		}
		lines = append(lines, strings.Join(words, " "))
	}
	if g.Others {
		lines = append(lines, "and interfaces that come later")
	}
	return strings.Join(lines, "\n")
}

func (e *entry) draw(b box) node {
	n := node{tip: e.tip}
	class, x := "ink", b.x+28
	switch {
	case e.blocked || len(e.plugs) == 0:
		class = "muted"
		n.add(cross("x", b.x+16, e.y-4))
	default:
		n.add(dot("all", b.x+16, e.y-4, 4))
	}
	line := rect("card", box{b.x + 8, e.y - entryLine/2 + 1, b.w - 16, entryLine - 3}, 5)
	n.shapes = append([]shape{line}, n.shapes...)
	y, sub := e.y, e.line(b.w-42, 9)
	if sub == "" {
		y += 4
	} else {
		n.add(letters("muted", x, e.y+11, sub, 9, true))
	}
	n.add(mono(class, x, y, b.w-42, 12, e.label))
	return n
}

func (g *group) drawBox() node {
	b, class := g.box, "group"
	if g.loose {
		class = "loose"
	}
	n := node{tip: g.tip}
	n.add(rect(class, b, 8))
	right := b.x + b.w - 12
	for _, bd := range slices.Backward(g.badges) {
		t := sans(bd.class, 0, b.y+18, 150, 11, bd.text).toEnd(right)
		n.add(t)
		right = t.box.x - 12
	}
	title := mono("strong", b.x+12, b.y+18, right-b.x-12, 13, g.title)
	n.add(title)
	subRoom := b.w - 24
	if g.exits && len(g.rows) > 0 {
		subRoom -= exitsWidth + 10
		end := b.x + groupPad + rowWidth
		n.add(sans("muted", end-exitsWidth+2, b.y+36, 28, 9, "out"), sans("muted", end-exitsWidth+30, b.y+36, 28, 9, "host"))
	}
	n.add(mono("muted", b.x+12, b.y+34, subRoom, 10, g.sub))
	return n
}

func (g *group) drawRows() []node {
	var nodes []node
	for i := range g.rows {
		nodes = append(nodes, g.rows[i].draw(g.exits)...)
	}
	return nodes
}

func (m *member) draw(exits bool) []node {
	b := m.box
	n := node{tip: m.tip}
	if m.dim {
		n.class = "dim"
	}
	n.add(rect("card", b, 5))
	y := b.y + b.h/2 + 4
	x := b.x + memberPad + pillWidth + 10
	n.add(mono("ink", x, y, nameWidth-8, 12, m.name))
	n.add(mono("muted", 0, y, noteWidth-6, 10, m.note).toEnd(b.x + b.w - exitsWidth - 6))
	if m.instead != "" {
		n.add(mono("muted", b.x+memberPad+2, y, pillWidth, 10, m.instead))
	}
	nodes := []node{n}
	for i := range m.ports {
		nodes = append(nodes, m.ports[i].draw(b.x+memberPad))
	}
	if exits && m.outside.State != "" {
		middle := b.y + b.h/2
		nodes = append(nodes, glyph(m.outside, b.x+b.w-exitsWidth+12, middle, "to the outside: "),
			glyph(m.host, b.x+b.w-exitsWidth+41, middle, "to the host's own services: "))
	}
	return nodes
}

// glyph is the sign for what an exit is open for.
func glyph(e picture.Exit, x, y int, what string) node {
	n := node{tip: what + exitText(e)}
	switch e.State {
	case picture.Open:
		n.add(dot("all", x, y, 4))
	case picture.Some:
		n.add(dot("few", x, y, 4))
	case picture.Closed:
		n.add(cross("x", x, y))
	default:
		n.add(path("nil", x-4, y, x+4, y))
	}
	return n
}

func (p *port) draw(x int) node {
	n := node{tip: p.tip}
	class, text := "idle", "muted"
	switch p.state {
	case picture.Open:
		class, text = "open", "ink"
	case picture.Closed:
		class, text = "shut", "ink"
		n.add(cross("x", x-15, p.y))
	}
	n.add(rect(class, box{x, p.y - pillHeight/2, pillWidth, pillHeight}, 9))
	n.add(mono(text, x+9, p.y+4, pillWidth-pillInset, pillSize, p.text))
	return n
}
