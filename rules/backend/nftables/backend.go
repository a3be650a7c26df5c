package nftables

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/nft"
	"dockwall/rules/plan"
)

// Name is the backend's word in firewall.backend.
const Name = "nftables"

// Table is the name of dockwall's table, of family inet.
const Table = "dockwall"

// Backend is the contract's Backend.
type Backend struct{}

// Name returns the word in firewall.backend.
func (Backend) Name() string { return Name }

// Limits are none: sets are the table's own, and no other program's rules come before its
// drops, so that no guard is needed.
func (Backend) Limits() backend.Limits { return backend.Limits{} }

// State is what the kernel holds: dockwall's table.
type State struct {
	// Table is nil if it is not there. Chains and sets are in order of name, and elements
	// in order of key. A rule that could not be read has no statements.
	Table *nft.Table
	// bases are the names of the kernel's sets by the ruleset's name, without family and
	// length. They are known after Diff.
	bases map[string]string
	// from are the members that the kernel's sets of a base were written from, if they are
	// never edited: the next Diff sees at once that nothing has changed.
	from map[string][]rules.Member
}

// NewState returns the state of a kernel that holds this table; nil is none.
func NewState(t *nft.Table) State {
	if t == nil {
		return State{}
	}
	s := State{Table: &nft.Table{Name: t.Name, Sets: slices.Clone(t.Sets), Chains: slices.Clone(t.Chains)}}
	for i := range s.Table.Sets {
		set := &s.Table.Sets[i]
		if !slices.IsSortedFunc(set.Elements, nft.Element.Compare) {
			set.Elements = slices.Clone(set.Elements)
			slices.SortFunc(set.Elements, nft.Element.Compare)
		}
	}
	sortTable(s.Table)
	return s
}

func sortTable(t *nft.Table) {
	slices.SortFunc(t.Sets, func(a, b nft.Set) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(t.Chains, func(a, b nft.Chain) int { return strings.Compare(a.Name, b.Name) })
}

// Backend returns the backend's name.
func (State) Backend() string { return Name }

// set finds a kernel set.
func (s State) set(name string) *nft.Set {
	if s.Table == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.Table.Sets, name, func(set nft.Set, name string) int { return strings.Compare(set.Name, name) })
	if !ok {
		return nil
	}
	return &s.Table.Sets[i]
}

// chain finds a chain.
func (s State) chain(name string) *nft.Chain {
	if s.Table == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.Table.Chains, name, func(c nft.Chain, name string) int { return strings.Compare(c.Name, name) })
	if !ok {
		return nil
	}
	return &s.Table.Chains[i]
}

// state is the contract's State as this backend's own. A state of another backend is a bug
// of the caller.
func state(have backend.State) State {
	switch s := have.(type) {
	case nil:
		return State{}
	case State:
		return s
	}
	panic(fmt.Sprintf("nftables: a state of %s", have.Backend()))
}

// Check returns an error that joins everything in the ruleset that cannot be written.
func (Backend) Check(want rules.Ruleset) error {
	var errs []error
	for _, h := range want.Hooks {
		if h.Latch {
			errs = append(errs, fmt.Errorf("hook %s: the latch is not of this table", h.Base))
		}
	}
	w := newWriter(want, State{})
	for _, c := range want.Chains {
		switch {
		case bases[c.Name] != "":
			errs = append(errs, fmt.Errorf("chain %q: the table's own chain has this name", c.Name))
		case len(c.Name) > maxChainName:
			errs = append(errs, fmt.Errorf("chain %q: longer than %d bytes", c.Name, maxChainName))
		}
		for i, r := range c.Rules {
			if _, err := w.rule(r); err != nil {
				errs = append(errs, fmt.Errorf("chain %s, rule %d: %w", c.Name, i+1, err))
			}
		}
	}
	return errors.Join(errs...)
}

// maxChainName is NFT_CHAIN_MAXNAMELEN, less its final zero.
const maxChainName = 127

// Diff plans one transaction from have to want. Where sets open what others close, a second
// one comes a moment later (rules.Set.After).
func (Backend) Diff(want rules.Ruleset, have backend.State) (plan.Plan, backend.State) {
	s := state(have)
	d := newDiff(want, s)
	p := d.plan()
	return p, d.next
}

// Remove plans the way back to a kernel without the table.
func Remove(have State) plan.Plan {
	p, _ := Backend{}.Diff(rules.Ruleset{}, have)
	return p
}

// Sets returns the part of the state that consists of these sets.
func (Backend) Sets(have backend.State, names []string, limit int) backend.State {
	s := state(have)
	some := &nft.Table{Name: Table}
	if s.Table == nil {
		return State{}
	}
	for _, name := range names {
		base, ok := s.bases[name]
		if !ok {
			continue
		}
		for _, set := range s.Table.Sets {
			if b, _, _, ok := split(set.Name); ok && b == base && len(some.Sets) < limit {
				some.Sets = append(some.Sets, set)
			}
		}
	}
	return NewState(some)
}
