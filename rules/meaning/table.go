package meaning

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dockwall/rules"
)

// Entry is a line of the table: a group of targets, and the senders that gain
// or lose access to them by one block.
type Entry struct {
	// Reached are containers and ports, in words.
	Reached []string `json:"reached"`
	// Keeps are the senders that keep access where all others change. Of containers
	// that change together with many others, they are the blocks that allow it.
	Keeps []string `json:"keeps"`
	Gains []string `json:"gains"`
	Loses []string `json:"loses"`
	// Blocks make the difference. If blocks let the senders of Keeps through and only
	// a default stops the others, they are those blocks.
	Blocks []Place `json:"blocks"`
}

// Place is a block, or a default, and where it stands in the file.
type Place struct {
	Policy rules.Subject `json:"policy"`
	// Position is empty for defaults and for blocks that the file no longer has.
	Position string `json:"position"`
}

// String is "published.shop (agent.hcl:31)".
func (p Place) String() string {
	if p.Position == "" {
		return p.Policy.String()
	}
	return p.Policy.String() + " (" + p.Position + ")"
}

// sides of a table's cell.
const (
	keeps = iota
	gains
	loses
	sides
)

// passage is what a group of packets has in common: the number of the target's
// label, and the block that makes the difference.
type passage struct {
	to    int
	block rules.Subject
}

// senders are sources with the interfaces that they send by.
type senders map[int][]int

// cell are the senders of one passage that keep, gain and lose access.
type cell struct {
	passage
	// tos are the numbers of the targets' labels: one, unless cells were merged.
	tos  []int
	who  [sides]senders
	nics int
	// out: containers send it outside.
	out bool
	// by are the blocks that let the senders through that keep access.
	by []rules.Subject
	// merged: cells were merged that differ in their senders. coarse: their targets are
	// containers' own ports.
	merged, coarse bool
}

// manyEntries is the size of a table from which on containers are not told apart
// that lose or gain access to one another.
const manyEntries = 12

// table groups rows by target and block, and targets that fare alike.
func (c *comparison) table() []Entry {
	cells, positions := c.cells(), c.positions()
	out := c.entries(cells, positions)
	if len(out) > manyEntries {
		out = c.entries(c.coarse(cells), positions)
	}
	return out
}

func (c *comparison) entries(cells []*cell, positions map[rules.Subject]string) []Entry {
	entries := map[string]*Entry{}
	reached := map[string][]int{}
	first := map[string]*cell{}
	var order []string
	for _, cl := range cells {
		e := c.entry(cl, positions)
		key := fmt.Sprintf("%q %q %q %s %t", e.Keeps, e.Gains, e.Loses, e.Blocks, cl.coarse)
		if entries[key] == nil {
			entries[key], first[key] = e, cl
			order = append(order, key)
		}
		reached[key] = append(reached[key], cl.tos...)
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(slices.Min(reached[a]), slices.Min(reached[b])) })
	out := make([]Entry, 0, len(order))
	for _, key := range order {
		e := entries[key]
		slices.Sort(reached[key])
		e.Reached = c.names.targets(slices.Compact(reached[key]), first[key].coarse)
		out = append(out, *e)
	}
	return out
}

// cells are the rows by passage, and which senders keep what others lose or gain.
func (c *comparison) cells() []*cell {
	at := map[passage]*cell{}
	var out []*cell
	// rest are the passages of which the senders that no list names are part.
	rest := map[int][]*cell{}
	for _, r := range c.rows {
		side := loses
		if r.gain {
			side = gains
		}
		for _, to := range c.names.targetsOf[r.to[0]] {
			p := passage{to, r.block()}
			cl := at[p]
			if cl == nil {
				cl = &cell{passage: p, tos: []int{to}, out: r.out}
				at[p] = cl
				out = append(out, cl)
			}
			cl.add(side, r)
			if c.names.rest[r.from[0]] && !slices.Contains(rest[to], cl) {
				rest[to] = append(rest[to], cl)
			}
		}
	}
	for _, r := range c.kept {
		for _, to := range c.names.targetsOf[r.to[0]] {
			for _, cl := range rest[to] {
				cl.add(keeps, r)
				if !slices.Contains(cl.by, r.policy) {
					cl.by = append(cl.by, r.policy)
				}
			}
		}
	}
	return out
}

func (cl *cell) add(side int, r *row) {
	if cl.who[side] == nil {
		cl.who[side] = senders{}
	}
	cl.who[side][r.from[0]] = append(cl.who[side][r.from[0]], r.via...)
	cl.nics = max(cl.nics, r.nics)
}

// block is the block that makes the difference: the one that decides now, or, if a
// default does, the one that decided before.
func (r *row) block() rules.Subject {
	if weight(r.was) > weight(r.policy) {
		return r.was
	}
	return r.policy
}

func weight(s rules.Subject) int {
	switch {
	case s.Kind == none || s.Framing():
		return 0
	case s.Kind == rules.KindDefaults:
		return 1
	}
	return 2
}

// positions are where the blocks stand in the file.
func (c *comparison) positions() map[rules.Subject]string {
	at := map[rules.Subject]string{}
	for _, rs := range []rules.Ruleset{c.rulesets[1], c.rulesets[0]} {
		for i := range rs.Chains {
			for j := range rs.Chains[i].Rules {
				if o := rs.Chains[i].Rules[j].Origin; o.File != "" && at[o.Subject] == "" {
					at[o.Subject] = position(o)
				}
			}
		}
	}
	return at
}

func (c *comparison) entry(cl *cell, positions map[rules.Subject]string) *Entry {
	e := &Entry{Keeps: []string{}, Gains: []string{}, Loses: []string{}}
	for i, words := range []*[]string{&e.Keeps, &e.Gains, &e.Loses} {
		*words = append(*words, c.names.senders(cl, i)...)
	}
	by := slices.DeleteFunc(slices.Clone(cl.by), func(s rules.Subject) bool { return weight(s) <= weight(cl.block) })
	if cl.merged {
		for _, s := range by {
			e.Keeps = append(e.Keeps, s.String())
		}
		by = nil
	}
	if len(by) == 0 {
		by = []rules.Subject{cl.block}
	}
	for _, s := range by {
		e.Blocks = append(e.Blocks, Place{s, positions[s]})
	}
	slices.SortFunc(e.Blocks, func(a, b Place) int { return natural(a.Policy.String(), b.Policy.String()) })
	return e
}

// String is the entry in one line, for tests and logs.
func (e Entry) String() string {
	var b strings.Builder
	b.WriteString(strings.Join(e.Reached, ", "))
	for i, words := range [][]string{e.Keeps, e.Gains, e.Loses} {
		if len(words) > 0 {
			fmt.Fprintf(&b, " | %s %s", [sides]string{"keeps", "gains", "loses"}[i], strings.Join(words, ", "))
		}
	}
	b.WriteString(" |")
	for _, p := range e.Blocks {
		b.WriteString(" " + p.String())
	}
	return b.String()
}
