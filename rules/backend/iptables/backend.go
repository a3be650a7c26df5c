package iptables

import (
	"fmt"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/plan"
)

// Backend is the contract's Backend: rulesets are written with these options.
type Backend struct{ Options Options }

// New returns the backend that writes with the options.
func New(o Options) Backend { return Backend{o} }

// Backend returns the variant's name.
func (s State) Backend() string { return string(s.Variant) }

// Name returns the variant's name.
func (b Backend) Name() string { return string(b.Options.Variant) }

// Limits says what this host's iptables and ipset do without.
func (b Backend) Limits() backend.Limits {
	return backend.Limits{Inline: b.Options.Inline, Unguarded: !b.Options.Guard, LeftOut: int(b.Options.LeftOut), Why: b.Options.Why}
}

// Diff plans the steps from have to want. The state that it returns holds the ruleset's own
// lists of members if they are equal and never edited, so that long lists exist once, and
// the next Diff compares them in no time.
func (b Backend) Diff(want rules.Ruleset, have backend.State) (plan.Plan, backend.State) {
	seen := Share(b.state(have), want)
	d := newDiff(want, seen, b.Options)
	p := d.plan()
	if p.Empty() {
		return p, seen
	}
	return p, d.advance()
}

// Move plans to move members of sets.
func (b Backend) Move(moves []rules.Move, have backend.State) (plan.Plan, bool) {
	if b.Options.Inline {
		return plan.Plan{}, false
	}
	return move(moves, b.state(have), b.Options.families())
}

// Ruleset reads a state back.
func (b Backend) Ruleset(have backend.State) (rules.Ruleset, int) { return readRuleset(b.state(have)) }

// Sets returns the part of the state that consists of these sets. It names the nft
// variant, whose probe looks at nothing but the sets.
func (b Backend) Sets(have backend.State, names []string, limit int) backend.State {
	wanted := map[string]bool{}
	for _, name := range names {
		for _, kernel := range KernelSets(name) {
			wanted[kernel] = true
		}
	}
	some := State{Variant: NFT}
	for _, s := range b.state(have).Sets {
		if len(some.Sets) < limit && wanted[s.Name] {
			some.Sets = append(some.Sets, s)
		}
	}
	return some
}

// Texts prints the ruleset for iptables-restore and ipset restore, by family.
func (b Backend) Texts(want rules.Ruleset) []backend.Text {
	var all []backend.Text
	for _, f := range []Family{V4, V6} {
		t := backend.Text{Family: int(f), Rules: Render(want, f, b.Options).Body, RulesTool: "iptables-restore --noflush", SetsTool: "ipset restore"}
		if f == V6 {
			t.RulesTool = "ip6tables-restore --noflush"
		}
		if !b.Options.Inline {
			t.Sets = SetText(want, f).Body
		}
		all = append(all, t)
	}
	return all
}

// state is the contract's State as this backend's own. A state of another backend is a bug
// of the caller.
func (b Backend) state(have backend.State) State {
	switch s := have.(type) {
	case nil:
		return State{Variant: b.Options.Variant}
	case State:
		return s
	}
	panic(fmt.Sprintf("iptables: a state of %s", have.Backend()))
}
