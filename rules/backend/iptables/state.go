package iptables

import (
	"iter"
	"slices"
	"strings"

	"dockwall/rules"
)

// State is what is in the kernel, of the variant's tables and of our sets. A
// table that is not there is not listed.
type State struct {
	Variant Variant
	V4, V6  []Table
	// Sets are sorted by name.
	Sets []SetState
}

// ForwardDrops returns the families in which filter's FORWARD has the policy DROP.
func (s State) ForwardDrops() []int {
	var families []int
	for _, f := range []Family{V4, V6} {
		for _, t := range s.tables(f) {
			if t.Name == "filter" && slices.ContainsFunc(t.Chains, func(c Chain) bool { return c.Name == "FORWARD" && c.Policy == "DROP" }) {
				families = append(families, int(f))
			}
		}
	}
	return families
}

func (s State) tables(f Family) []Table {
	if f == V6 {
		return s.V6
	}
	return s.V4
}

func (s State) table(f Family, name string) *Table {
	ts := s.tables(f)
	for i := range ts {
		if ts[i].Name == name {
			return &ts[i]
		}
	}
	return nil
}

// targetOf returns the chain or target that a printed rule goes to, and its
// comment without quotes.
func targetOf(rule string) (target, comment string) {
	before := ""
	for word := range splitWords(rule) {
		switch before {
		case "-j", "-g":
			target = word
		case "--comment":
			comment = strings.Trim(word, `"`)
		}
		before = word
	}
	return target, comment
}

// ourJump reports whether a rule in another program's chain is a jump of ours.
// Any rule that leads to a chain of ours is, whichever program wrote it: while it is there the
// chain cannot go.
func ourJump(rule string) bool {
	target, comment := targetOf(rule)
	return owned(target) || target == dockerUser && strings.HasPrefix(comment, ownComment)
}

// bareUserJump reports whether every packet that meets the rule goes to
// DOCKER-USER.
func bareUserJump(rule string) bool {
	if rule == "-j "+dockerUser {
		return true
	}
	n := 0
	for range splitWords(rule) {
		n++
	}
	target, comment := targetOf(rule)
	return n == 6 && target == dockerUser && comment != "" && strings.HasPrefix(rule, "-m comment --comment ")
}

// dockerChains reports whether Docker has made its chains in the table.
func dockerChains(t *Table) bool {
	for _, name := range []string{"DOCKER", "DOCKER-FORWARD", "DOCKER-ISOLATION-STAGE-1"} {
		if t.chain(name) != nil {
			return true
		}
	}
	return false
}

// refers reports whether a rule that is not ours, in a chain that is not ours,
// goes to the chain.
func refers(t *Table, chain string) bool {
	for _, c := range t.Chains {
		if owned(c.Name) {
			continue
		}
		for _, r := range c.Rules {
			if target, _ := targetOf(r); target == chain && !ourJump(r) {
				return true
			}
		}
	}
	return false
}

// rules are all that are there, of both families.
func (s State) rules() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, t := range slices.Concat(s.V4, s.V6) {
			for _, c := range t.Chains {
				for _, r := range c.Rules {
					if !yield(r) {
						return
					}
				}
			}
		}
	}
}

// Advance is the state as it will be once Diff's plan, Cleanup included, has
// run: what is seen then, without looking.
func Advance(s State, rs rules.Ruleset, o Options) State { return newDiff(rs, s, o).advance() }

func (d *diff) advance() State {
	s := d.state
	out := State{Variant: d.variant, V4: advanceTables(s.V4, V4, d.edits), V6: advanceTables(s.V6, V6, d.edits)}
	for _, w := range d.wanted {
		st := SetState{Name: w.name, Type: string(w.typ), Family: int(w.family), MaxElem: maxElem(len(w.members)), Members: w.own()}
		if old := d.set(w.name); old != nil && !d.replaced(*old, w) {
			st.MaxElem = old.MaxElem
		}
		out.Sets = append(out.Sets, st)
	}
	for _, set := range s.Sets {
		if Family(set.Family) == d.leftOut {
			out.Sets = append(out.Sets, set)
		}
	}
	slices.SortFunc(out.Sets, func(a, b SetState) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func advanceTables(tables []Table, f Family, edits []*tableEdit) []Table {
	var out []Table
	for _, t := range tables {
		if !slices.ContainsFunc(edits, func(e *tableEdit) bool { return e.family == f && e.table == t.Name }) {
			out = append(out, t)
		}
	}
	for _, e := range edits {
		if e.family == f && !e.deleteTable {
			out = append(out, e.after())
		}
	}
	slices.SortFunc(out, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// after is the table once the edit is done.
func (e *tableEdit) after() Table {
	t := Table{Name: e.table}
	if e.seen == nil {
		for _, n := range builtins(e.table) {
			t.Chains = append(t.Chains, Chain{Name: n, Policy: "ACCEPT"})
		}
	} else {
		for _, c := range e.seen.Chains {
			c.Rules = slices.Clone(c.Rules)
			t.Chains = append(t.Chains, c)
		}
	}
	t.Chains = slices.DeleteFunc(t.Chains, func(c Chain) bool {
		return slices.Contains(e.drop, c.Name) || e.dropUser && c.Name == dockerUser
	})
	for _, name := range e.makes() {
		t.Chains = append(t.Chains, Chain{Name: name, Policy: "-"})
	}
	for _, b := range e.bases {
		b.apply(t.chain(b.chain))
	}
	for _, name := range e.dropBases {
		t.chain(name).Absent = true
	}
	for _, c := range e.write {
		at := t.chain(c.name)
		at.Rules = nil
		for _, l := range c.lines {
			at.Rules = append(at.Rules, l.save)
		}
	}
	for _, name := range e.empty {
		t.chain(name).Rules = nil
	}
	base := slices.IndexFunc(t.Chains, func(c Chain) bool { return c.Policy == "-" })
	if base >= 0 {
		slices.SortStableFunc(t.Chains[base:], func(a, b Chain) int { return strings.Compare(a.Name, b.Name) })
	}
	return t
}

// builtins are the chains that a table has by itself.
func builtins(table string) []string {
	if table == tableEarly {
		return []string{"PREROUTING", "OUTPUT"}
	}
	return []string{"INPUT", "FORWARD", "OUTPUT"}
}

// makes are the chains that the edit creates.
func (e *tableEdit) makes() []string {
	var out []string
	if e.markTable {
		out = append(out, markTable)
	}
	out = append(out, e.marks...)
	if e.makeUser {
		out = append(out, dockerUser, markUser)
	}
	for _, c := range e.write {
		if e.seen.chain(c.name) == nil {
			out = append(out, c.name)
		}
	}
	return out
}

// own are the members, which for a set that is edited in place are a copy.
func (w wantedSet) own() []rules.Member {
	if w.inPlace {
		return slices.Clone(w.members)
	}
	return w.members
}

// Share is the same state, in order of name, which holds the ruleset's own lists
// of members where they are equal and never edited: long lists are there once,
// and are compared in no time.
func Share(s State, rs rules.Ruleset) State {
	s.Sets = slices.Clone(s.Sets)
	slices.SortFunc(s.Sets, func(a, b SetState) int { return strings.Compare(a.Name, b.Name) })
	at := s.index()
	for _, f := range []Family{V4, V6} {
		for _, w := range wantedSets(rs, f) {
			if i, ok := at[w.name]; ok && !w.inPlace && EqualMembers(s.Sets[i].Members, w.members) {
				s.Sets[i].Members = w.members
			}
		}
	}
	return s
}
