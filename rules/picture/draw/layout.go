package draw

import (
	"dockwall/rules/picture"
)

// The measures of the sheet, in pixels.
const (
	margin     = 24
	gateWidth  = 240
	lineHeight = 17
	entryLine  = 34
	pillWidth  = 138
	pillHeight = 18
	pillSize   = 11
	pillInset  = 16
	pillStep   = 22
	nameWidth  = 178
	noteWidth  = 104
	exitsWidth = 58
	memberPad  = 8
	groupPad   = 22
	rowWidth   = memberPad + pillWidth + 10 + nameWidth + noteWidth + exitsWidth
	groupWidth = groupPad + rowWidth + 10
	groupHead  = 42
	columnTop  = 22
)

// layouter places everything: first how high, then, when it is known how many
// lanes run between the columns, how far to the right.
type layouter struct {
	p      *picture.Picture
	sheet  *sheet
	gates  []gateBox
	groups []group
	middle []card
	right  []card
	// in is between the NICs and the policies, to between these and the
	// containers, out behind those.
	in, to, out gutter
	top         int
}

// gateBox is a box of NICs with the sources behind them.
type gateBox struct {
	gate    *picture.Gate
	lines   []string
	entries []entry
	box     box
}

func layout(p picture.Picture, title string) *sheet {
	l := &layouter{p: &p, sheet: &sheet{}, in: gutter{cardsRight: true}, to: gutter{}, out: gutter{cardsRight: true}}
	l.top = l.headHeight()
	l.gather()
	l.rows()
	l.cards()
	l.columns()
	l.head(title)
	l.draw()
	l.legend()
	return l.sheet
}

// gather makes the boxes' contents.
func (l *layouter) gather() {
	all := allEntries(l.p)
	for i := range l.p.Gates {
		if g := &l.p.Gates[i]; all[i] != nil {
			l.gates = append(l.gates, gateBox{gate: g, lines: nicLines(g), entries: all[i]})
		}
	}
	l.groups = groups(l.p)
	markParts(l.groups, all)
}

// rows gives gates, networks, containers and ports their heights.
func (l *layouter) rows() {
	y := l.top + columnTop
	for i := range l.gates {
		g := &l.gates[i]
		g.box = box{margin, y, gateWidth, 14 + lineHeight*len(g.lines) + entryLine*len(g.entries) + 8}
		for j := range g.entries {
			e := &g.entries[j]
			e.y = y + 14 + lineHeight*len(g.lines) + entryLine*j + entryLine/2
			l.in.wires = append(l.in.wires, wire{e.y, e.plugs})
		}
		y += g.box.h + 16
	}
	y = l.top + columnTop
	for i := range l.groups {
		y = l.placeGroup(&l.groups[i], y) + 16
	}
}

func (l *layouter) placeGroup(g *group, top int) int {
	y := top + groupHead
	for i := range g.rows {
		m := &g.rows[i]
		m.box.y, m.box.h = y, pillStep*max(1, len(m.ports))+6
		for j := range m.ports {
			m.ports[j].y = y + 3 + pillStep*j + pillStep/2
			l.to.wires = append(l.to.wires, wire{m.ports[j].y, m.ports[j].plugs})
		}
		l.out.wires = append(l.out.wires, wire{m.box.y + m.box.h/2 - 5, m.sends}, wire{m.box.y + m.box.h/2 + 6, m.takes})
		y += m.box.h + 5
	}
	if len(g.rows) == 0 {
		y += 4
	}
	g.box = box{y: top, h: y - top + 5, w: groupWidth}
	return y + 5
}

// cards puts the policies where their wires are, and runs the lanes.
func (l *layouter) cards() {
	l.middle = cards(l.p, incoming, used(l.in.wires, l.to.wires), true)
	l.right = cards(l.p, leaving, used(l.out.wires), false)
	for i := range l.middle {
		l.middle[i].wanted = wanted(l.middle[i].lane, l.in.wires, l.to.wires)
	}
	for i := range l.right {
		l.right[i].wanted = wanted(l.right[i].lane, l.out.wires)
	}
	stack(l.middle, l.top+columnTop)
	stack(l.right, l.top+columnTop)
	l.in.run(l.middle)
	l.to.run(l.middle)
	l.out.run(l.right)
}

func used(all ...[]wire) map[string]bool {
	names := map[string]bool{}
	for _, wires := range all {
		for _, w := range wires {
			for _, p := range w.plugs {
				names[p.policy] = true
			}
		}
	}
	return names
}

// wanted is the middle of a policy's wires, in the last list that has any.
func wanted(policy string, all ...[]wire) int {
	for i := len(all) - 1; i >= 0; i-- {
		sum, n := 0, 0
		for _, w := range all[i] {
			for _, p := range w.plugs {
				if p.policy == policy {
					sum, n = sum+w.y, n+1
				}
			}
		}
		if n > 0 {
			return sum / n
		}
	}
	return 0
}

// columns places everything from left to right and fixes the sheet's size.
func (l *layouter) columns() {
	x := margin + gateWidth
	l.in.x = x
	x += l.in.width()
	for i := range l.middle {
		l.middle[i].box.x = x
	}
	if len(l.middle) > 0 {
		x += cardWidth
	}
	l.to.x = x
	x += l.to.width()
	for i := range l.groups {
		g := &l.groups[i]
		g.box.x = x
		for j := range g.rows {
			g.rows[j].box.x, g.rows[j].box.w = x+groupPad, rowWidth
		}
	}
	x += groupWidth
	if len(l.right) > 0 {
		l.out.x = x
		x += l.out.width()
		for i := range l.right {
			l.right[i].box.x = x
		}
		x += cardWidth
	}
	l.sheet.width = max(x+margin, leastWidth)
	l.sheet.height = l.bottom() + 20
}

// bottom is the lowest edge of any box.
func (l *layouter) bottom() int {
	y := l.top
	for _, g := range l.gates {
		y = max(y, g.box.y+g.box.h)
	}
	for _, g := range l.groups {
		y = max(y, g.box.y+g.box.h)
	}
	for _, cs := range [][]card{l.middle, l.right} {
		for _, c := range cs {
			y = max(y, c.box.y+c.box.h)
		}
	}
	return y
}
