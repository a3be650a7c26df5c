package draw

import (
	"slices"
	"strings"
)

// gutter is the room between two columns, in which lanes run.
type gutter struct {
	// cardsRight: the policies' boxes are at the right of it.
	cardsRight bool
	wires      []wire
	lanes      []lane
	slots      int
	x          int
}

// wire is a line from a row to the lanes that it has a dot on.
type wire struct {
	y     int
	plugs []plug
}

// lane is a policy's vertical line.
type lane struct {
	card *card
	// stub is where it goes over to the card.
	stub     int
	top, end int
	slot     int
}

const (
	laneGap   = 11
	gutterPad = 16
)

// run makes the lanes of the wires that have been noted.
func (g *gutter) run(cards []card) {
	for i := range cards {
		c := &cards[i]
		l := lane{card: c, top: 1 << 30}
		for _, w := range g.wires {
			if slices.ContainsFunc(w.plugs, func(p plug) bool { return p.policy == c.lane }) {
				l.top, l.end = min(l.top, w.y), max(l.end, w.y)
			}
		}
		if l.end == 0 {
			continue
		}
		l.stub = g.stubFor(c)
		l.top, l.end = min(l.top, l.stub), max(l.end, l.stub)
		l.slot = g.freeSlot(&l)
		g.slots = max(g.slots, l.slot+1)
		g.lanes = append(g.lanes, l)
	}
}

// stubFor finds a height at the card's side that no wire has.
func (g *gutter) stubFor(c *card) int {
	middle := c.box.y + c.box.h/2
	for clear := 9; clear > 2; clear-- {
		for d := 0; d < c.box.h/2-6; d++ {
			for _, y := range []int{middle - d, middle + d} {
				if !slices.ContainsFunc(g.wires, func(w wire) bool { return len(w.plugs) > 0 && max(w.y-y, y-w.y) < clear }) {
					return y
				}
			}
		}
	}
	return middle
}

// freeSlot is the first where no other lane is beside it.
func (g *gutter) freeSlot(l *lane) int {
	for slot := 0; ; slot++ {
		if !slices.ContainsFunc(g.lanes, func(o lane) bool {
			return o.slot == slot && l.top-10 <= o.end && o.top-10 <= l.end
		}) {
			return slot
		}
	}
}

// width is what the gutter takes.
func (g *gutter) width() int { return 2*gutterPad + laneGap*max(1, g.slots) }

func (g *gutter) laneX(l *lane) int {
	if g.cardsRight {
		// The first lane is the nearest to the cards.
		return g.x + g.width() - gutterPad - laneGap*l.slot - laneGap/2
	}
	return g.x + gutterPad + laneGap*l.slot + laneGap/2
}

// draw draws lanes, wires and dots; rowEdge is where the wire of a height
// begins.
func (g *gutter) draw(rowEdge func(y int) int) (under, over []node) {
	for i := range g.lanes {
		under = append(under, g.drawLane(&g.lanes[i]))
	}
	for _, w := range g.wires {
		if n, ok := g.drawWire(w, rowEdge(w.y)); ok {
			over = append(over, n)
		}
	}
	return under, over
}

func (g *gutter) drawLane(l *lane) node {
	x, c := g.laneX(l), laneClass(l.card.color)
	n := node{class: "lane", tip: l.card.tip}
	edge := l.card.box.x + l.card.box.w
	if g.cardsRight {
		edge = l.card.box.x
	}
	n.add(path("l"+c, x, l.top, x, l.end), path("l"+c, x, l.stub, edge, l.stub))
	return n
}

func (g *gutter) drawWire(w wire, edge int) (node, bool) {
	far, found := edge, false
	var dots []shape
	var names []string
	into := false
	for i := range g.lanes {
		l := &g.lanes[i]
		for _, p := range w.plugs {
			if p.policy != l.card.lane {
				continue
			}
			x, c := g.laneX(l), laneClass(l.card.color)
			if !found || max(far-edge, edge-far) < max(x-edge, edge-x) {
				far = x
			}
			found, into = true, into || p.into
			if p.part {
				dots = append(dots, dot("part p"+c, x, w.y, 4))
			} else {
				dots = append(dots, dot("d"+c+" dot", x, w.y, 5))
			}
			names = append(names, l.card.lane)
		}
	}
	n := node{tip: strings.Join(names, "\n")}
	if !found {
		return n, false
	}
	n.add(path("wire", edge, w.y, far, w.y))
	if into {
		n.add(arrow("head", edge, w.y, far > edge))
	}
	n.add(dots...)
	return n, true
}
