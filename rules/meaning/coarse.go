package meaning

import (
	"fmt"
	"slices"

	"dockwall/rules"
)

// coarse merges the cells of containers that lose, or gain, access to one another by
// the same block. Which of them do is left to Changes; blocks that still allow some of
// it are named.
func (c *comparison) coarse(cells []*cell) []*cell {
	at := map[string]*cell{}
	var out []*cell
	for _, cl := range cells {
		side, ok := c.among(cl)
		if !ok {
			out = append(out, cl)
			continue
		}
		near := c.names.near[cl.to] != nil
		key := fmt.Sprint(cl.block, side, near)
		whole := at[key]
		if whole == nil {
			whole = &cell{passage: cl.passage, nics: cl.nics, merged: true, coarse: near}
			whole.who[side] = senders{}
			at[key] = whole
			out = append(out, whole)
		}
		whole.tos = append(whole.tos, cl.to)
		for from, via := range cl.who[side] {
			whole.who[side][from] = append(whole.who[side][from], via...)
		}
		for _, s := range c.names.keptBy[cl.to] {
			if !slices.Contains(whole.by, s) {
				whole.by = append(whole.by, s)
			}
		}
	}
	for _, cl := range out {
		slices.SortFunc(cl.by, func(a, b rules.Subject) int { return natural(a.String(), b.String()) })
	}
	return out
}

// among reports whether all senders of the cell are containers, on one side of it,
// and not on their way outside.
func (c *comparison) among(cl *cell) (side int, ok bool) {
	side = -1
	for i, who := range cl.who {
		if len(who) == 0 {
			continue
		}
		if side >= 0 || i == keeps {
			return 0, false
		}
		side = i
		for from := range who {
			if c.names.familyOf(from) >= 0 {
				return 0, false
			}
		}
	}
	return side, side >= 0 && !cl.out && (c.names.near[cl.to] != nil || c.names.owner[cl.to] != "")
}
