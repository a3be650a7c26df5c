package nftables

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/nft"
	"dockwall/rules/plan"
)

// diff is a comparison of what is wanted with what is there.
type diff struct {
	rs   rules.Ruleset
	have State
	next State
	// whole: what is there cannot be edited, and is replaced.
	whole  bool
	chains []rendered
	// changed are the chains that are written; gone are those that are deleted.
	changed []rendered
	gone    []nft.Chain
	sets    []setEdit
	stale   []nft.Set
}

// setEdit is what is to be done to one kernel set.
type setEdit struct {
	of   *rules.Set
	want nft.Set
	old  *nft.Set // nil: it is new
	gone []nft.Element
	come []nft.Element
}

func newDiff(rs rules.Ruleset, have State) *diff {
	d := &diff{rs: rs, have: have}
	if len(rs.Chains) == 0 && len(rs.Sets) == 0 {
		return d // next is no table
	}
	w := newWriter(rs, have)
	d.chains = w.chains(rs)
	d.next = State{Table: &nft.Table{Name: Table}, bases: w.bases, from: map[string][]rules.Member{}}
	for i := range rs.Sets {
		s := &rs.Sets[i]
		if !s.InPlace && len(s.Members) > 0 {
			d.next.from[w.bases[s.Name]] = s.Members
		}
		for _, set := range w.write(*s) {
			d.next.Table.Sets = append(d.next.Table.Sets, set)
			d.set(s, set)
		}
	}
	for _, c := range d.chains {
		d.next.Table.Chains = append(d.next.Table.Chains, c.Chain)
		old := have.chain(c.Name)
		if old != nil && !old.Hook.Equal(c.Hook) {
			d.whole = true
		}
		if old == nil || !slices.EqualFunc(old.Rules, c.Rules, nft.Rule.Equal) {
			d.changed = append(d.changed, c)
		}
	}
	sortTable(d.next.Table)
	d.leftOver()
	return d
}

func (d *diff) set(of *rules.Set, set nft.Set) {
	old := d.have.set(set.Name)
	switch {
	case old == nil:
		d.sets = append(d.sets, setEdit{of: of, want: set, come: set.Elements})
	case !old.Alike(set):
		d.whole = true
	case len(old.Elements) == len(set.Elements) && (len(set.Elements) == 0 || &old.Elements[0] == &set.Elements[0]):
	default:
		gone, come := apart(old.Elements, set.Elements)
		if len(gone)+len(come) > 0 {
			d.sets = append(d.sets, setEdit{of: of, want: set, old: old, gone: gone, come: come})
		}
	}
}

// apart are the elements that only one of two sorted lists has.
func apart(old, want []nft.Element) (gone, come []nft.Element) {
	for len(old) > 0 && len(want) > 0 {
		switch c := old[0].Compare(want[0]); {
		case c < 0:
			gone, old = append(gone, old[0]), old[1:]
		case c > 0:
			come, want = append(come, want[0]), want[1:]
		default:
			if !old[0].Equal(want[0]) {
				gone, come = append(gone, old[0]), append(come, want[0])
			}
			old, want = old[1:], want[1:]
		}
	}
	return append(gone, old...), append(come, want...)
}

// leftOver finds what is there and not wanted.
func (d *diff) leftOver() {
	if d.have.Table == nil {
		return
	}
	for _, c := range d.have.Table.Chains {
		if d.next.chain(c.Name) == nil {
			d.gone = append(d.gone, c)
		}
	}
	for _, s := range d.have.Table.Sets {
		if d.next.set(s.Name) == nil {
			d.stale = append(d.stale, s)
		}
	}
}

// plan returns the steps.
func (d *diff) plan() plan.Plan {
	switch {
	case d.next.Table == nil && d.have.Table == nil:
		return plan.Plan{}
	case d.next.Table == nil:
		d.gone, d.stale = d.have.Table.Chains, d.have.Table.Sets
		return plan.Plan{Changes: d.changes(), Steps: []plan.Step{edit(nft.Ops{nft.DeleteTable{}}, nil, "delete the table")}, Rollback: d.rollback()}
	case d.whole:
		d.replace()
	case d.have.Table != nil && len(d.changed)+len(d.gone)+len(d.sets)+len(d.stale) == 0:
		return plan.Plan{}
	}
	return plan.Plan{Changes: d.changes(), Steps: d.steps(), Rollback: d.rollback()}
}

// replace has everything written again.
func (d *diff) replace() {
	d.sets = nil
	for i := range d.rs.Sets {
		s := &d.rs.Sets[i]
		for _, set := range d.next.Table.Sets {
			if base, _, _, _ := split(set.Name); base == d.next.bases[s.Name] {
				d.sets = append(d.sets, setEdit{of: s, want: set, come: set.Elements})
			}
		}
	}
	d.changed, d.gone, d.stale = d.chains, d.have.Table.Chains, d.have.Table.Sets
}

func edit(ops nft.Ops, origins map[int]rules.Origin, why string) plan.Step {
	return plan.Step{Action: plan.EditTable{Table: Table, Ops: ops, Origins: origins}, Why: why}
}

// steps are one transaction, and where members open what others have just closed another
// one a moment later.
func (d *diff) steps() []plan.Step {
	t := transaction{grown: map[string]bool{}}
	origins := map[int]rules.Origin{}
	if d.whole {
		t.ops = append(t.ops, nft.DeleteTable{})
	}
	if d.whole || d.have.Table == nil {
		t.ops = append(t.ops, nft.AddTable{})
	}
	for _, e := range d.sets {
		if e.old != nil && len(e.come) > 0 && e.of.After == "" {
			t.grown[e.of.Name] = true
		}
	}
	for _, e := range d.sets {
		if e.old == nil {
			origins[len(t.ops)] = e.of.Origin
			t.ops = append(t.ops, nft.AddSet{Set: e.want})
			continue
		}
		t.move(e.want.Name, e.of.After, e.gone, e.come)
	}
	t.ops = d.writeChains(t.ops, origins)
	for _, s := range d.stale {
		if !d.whole {
			t.ops = append(t.ops, nft.DeleteSet{Name: s.Name})
		}
	}
	return t.steps(origins, "write the table")
}

// transaction gathers operations. What comes to a set with an After waits where that other
// set has grown as well: then there is a second transaction a moment later.
type transaction struct {
	ops, later nft.Ops
	grown      map[string]bool // by the ruleset's name
}

// move moves elements of a kernel set, which is one of a set of the ruleset that comes
// after another one; after is empty if it comes after none.
func (t *transaction) move(set, after string, gone, come []nft.Element) {
	if len(gone) > 0 {
		t.ops = append(t.ops, nft.DeleteElements{Set: set, Elements: gone})
	}
	switch {
	case len(come) == 0:
	case t.grown[after]:
		t.later = append(t.later, nft.AddElements{Set: set, Elements: come})
	default:
		t.ops = append(t.ops, nft.AddElements{Set: set, Elements: come})
	}
}

// steps are the operations, and then those that must wait for what began before.
func (t *transaction) steps(origins map[int]rules.Origin, why string) []plan.Step {
	var out []plan.Step
	if len(t.ops) > 0 {
		out = append(out, edit(t.ops, origins, why))
	}
	if len(t.later) > 0 {
		out = append(out, plan.Step{Action: plan.Settle{}, Why: "wait for what began before"}, edit(t.later, nil, "add members to sets"))
	}
	return out
}

func (d *diff) writeChains(ops nft.Ops, origins map[int]rules.Origin) nft.Ops {
	for _, c := range d.changed {
		if d.whole || d.have.chain(c.Name) == nil {
			ops = append(ops, nft.AddChain{Name: c.Name, Hook: c.Hook})
		}
	}
	if !d.whole {
		for _, c := range d.changed {
			if old := d.have.chain(c.Name); old != nil && len(old.Rules) > 0 {
				ops = append(ops, nft.FlushChain{Name: c.Name})
			}
		}
		for _, c := range d.gone {
			ops = append(ops, nft.FlushChain{Name: c.Name})
		}
	}
	for _, c := range d.changed {
		for i, r := range c.Rules {
			origins[len(ops)] = c.origins[i]
			ops = append(ops, nft.AddRule{Chain: c.Name, Rule: r})
		}
	}
	if !d.whole {
		for _, c := range d.gone {
			ops = append(ops, nft.DeleteChain{Name: c.Name})
		}
	}
	return ops
}

// rollback is one transaction that leads back from before the steps, from after them, and
// from between: each operation that could find its work done comes after one that undoes
// it.
func (d *diff) rollback() []plan.Step {
	const why = "put the old table back"
	var ops nft.Ops
	if d.have.Table == nil {
		return []plan.Step{edit(nft.Ops{nft.AddTable{}, nft.DeleteTable{}}, nil, why)}
	}
	if d.whole || d.next.Table == nil {
		return []plan.Step{edit(append(nft.Ops{nft.AddTable{}, nft.DeleteTable{}, nft.AddTable{}}, all(*d.have.Table)...), nil, why)}
	}
	for _, s := range d.stale {
		ops = append(ops, nft.AddSet{Set: s})
	}
	for _, e := range d.sets {
		if e.old != nil {
			ops = append(ops, back(e.want.Name, e.gone, e.come)...)
		}
	}
	for _, c := range d.changed {
		ops = append(ops, nft.AddChain{Name: c.Name, Hook: c.Hook}, nft.FlushChain{Name: c.Name})
	}
	for _, c := range d.gone {
		ops = append(ops, nft.AddChain{Name: c.Name, Hook: c.Hook}, nft.FlushChain{Name: c.Name})
	}
	for _, c := range d.changed {
		if old := d.have.chain(c.Name); old != nil {
			ops = append(ops, fill(*old)...)
		}
	}
	for _, c := range d.gone {
		ops = append(ops, fill(c)...)
	}
	for _, c := range d.changed {
		if d.have.chain(c.Name) == nil {
			ops = append(ops, nft.DeleteChain{Name: c.Name})
		}
	}
	for _, e := range d.sets {
		if e.old == nil {
			ops = append(ops, nft.AddSet{Set: empty(e.want)}, nft.DeleteSet{Name: e.want.Name})
		}
	}
	return []plan.Step{edit(ops, nil, why)}
}

// back moves elements back, whether or not they have been moved.
func back(set string, gone, come []nft.Element) nft.Ops {
	var ops nft.Ops
	if len(come) > 0 {
		ops = append(ops, nft.AddElements{Set: set, Elements: come}, nft.DeleteElements{Set: set, Elements: come})
	}
	if len(gone) > 0 {
		ops = append(ops, nft.AddElements{Set: set, Elements: gone})
	}
	return ops
}

func empty(s nft.Set) nft.Set {
	s.Elements = nil
	return s
}

func fill(c nft.Chain) nft.Ops {
	var ops nft.Ops
	for _, r := range c.Rules {
		if len(r.Statements) > 0 { // what could not be read cannot be written
			ops = append(ops, nft.AddRule{Chain: c.Name, Rule: r})
		}
	}
	return ops
}

// all are the operations that fill an empty table.
func all(t nft.Table) nft.Ops {
	var ops nft.Ops
	for _, s := range t.Sets {
		ops = append(ops, nft.AddSet{Set: s})
	}
	for _, c := range t.Chains {
		ops = append(ops, nft.AddChain{Name: c.Name, Hook: c.Hook})
	}
	for _, c := range t.Chains {
		ops = append(ops, fill(c)...)
	}
	return ops
}

// changes are the plan for people: chains, then sets. Where only the line of a block has
// changed, which the comments tell, there is none.
func (d *diff) changes() []plan.Change {
	var out []plan.Change
	chain := func(name string, from, to []nft.Rule) {
		old, now := texts(from), texts(to)
		if slices.Equal(old, now) && len(now) > 0 {
			return
		}
		old, now = plan.GoneAndCome(old, now)
		out = append(out, plan.Change{Kind: plan.ChangeChain, Table: Table, Chain: name, Old: old, New: now})
	}
	for _, c := range d.changed {
		var from []nft.Rule
		if old := d.have.chain(c.Name); old != nil {
			from = old.Rules
		}
		chain(c.Name, from, c.Rules)
	}
	for _, c := range d.gone {
		if d.next.chain(c.Name) == nil {
			chain(c.Name, c.Rules, nil)
		}
	}
	for _, e := range d.sets {
		out = append(out, setChange(e.want, e.gone, e.come))
	}
	for _, s := range d.stale {
		if d.next.set(s.Name) == nil {
			out = append(out, setChange(s, s.Elements, nil))
		}
	}
	return out
}

func setChange(s nft.Set, gone, come []nft.Element) plan.Change {
	_, family, _, _ := split(s.Name)
	return plan.Change{Kind: plan.ChangeSet, Family: family, Set: s.Name, Old: memberTexts(s, gone), New: memberTexts(s, come)}
}

func memberTexts(s nft.Set, es []nft.Element) []string {
	_, family, bits, _ := split(s.Name)
	typ, _ := typeOf(family, s.Key)
	out := make([]string, len(es))
	for i, e := range es {
		if m, ok := member(typ, place{family, bits}, e); ok {
			out[i] = m.String()
		} else {
			out[i] = fmt.Sprintf("%x", e.Key)
		}
	}
	return out
}

// texts are rules as people see them: with the block's name, and without counters.
func texts(rs []nft.Rule) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		if len(r.Statements) == 0 {
			out[i] = "[a rule that dockwall does not know]"
			continue
		}
		out[i] = strings.Replace(r.String(), "counter packets 0 bytes 0 ", "", 1)
		if about := parseComment(r.Comment); about.subject != "" {
			out[i] += ` comment "` + about.subject + `"`
		}
	}
	return out
}
