package ruletest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// Kernel is a pretended kernel with one of the iptables' tables, and ipset.
type Kernel struct {
	variant iptables.Variant
	tables  map[string]*table // "4 filter"
	sets    map[string]*ipset
	// native are the tables that hold native rules of nftables.
	native map[string]bool
	// nft is what is in dockwall's own table.
	nft NFT
}

type table struct{ chains map[string]*chain }

type chain struct {
	policy string // "-": not a base chain
	rules  []rule
}

// rule is a rule as iptables-save prints it, and where it goes to.
type rule struct{ text, target string }

// NewKernel is an empty kernel.
func NewKernel(v iptables.Variant) *Kernel {
	return &Kernel{variant: v, tables: map[string]*table{}, sets: map[string]*ipset{}, native: map[string]bool{}}
}

// Clone copies everything.
func (k *Kernel) Clone() *Kernel {
	out := NewKernel(k.variant)
	out.nft = *k.nft.Clone()
	for name, t := range k.tables {
		out.tables[name] = t.clone()
	}
	maps.Copy(out.native, k.native)
	for name, s := range k.sets {
		out.sets[name] = s.clone()
	}
	return out
}

func (t *table) clone() *table {
	out := &table{chains: map[string]*chain{}}
	for name, c := range t.chains {
		out.chains[name] = &chain{policy: c.policy, rules: slices.Clone(c.rules)}
	}
	return out
}

// ErrUnknownAction is the error of an action that the fake kernel does not know.
var ErrUnknownAction = errors.New("the fake kernel does not know this action")

// Run does one step. Its error is that of the program or of the kernel. What was done
// before the error stays done, as on a host.
func (k *Kernel) Run(s plan.Step) error {
	err := k.run(s.Action)
	if err != nil {
		return fmt.Errorf("%T: %w", s.Action, err)
	}
	return nil
}

func (k *Kernel) run(a plan.Action) error {
	switch a := a.(type) {
	case plan.RestoreTable:
		return k.restore(a)
	case plan.RestoreSets:
		return k.restoreSets(a.Script.Body, a.Exist)
	case plan.EditSets:
		return k.restoreSets(a.Script().Body, a.Exist)
	case plan.DeleteTable:
		return k.deleteTable(fmt.Sprint(a.Family, " ", a.Table))
	case plan.DeleteChains:
		return nil // iptables-save prints base chains of a table whether or not they exist
	case plan.SetJumps:
		return k.setJumps(a)
	case plan.EditTable:
		return k.nft.Run(plan.Step{Action: a})
	case plan.Settle:
		return nil
	}
	return ErrUnknownAction
}

// NFT is dockwall's own table in this kernel.
func (k *Kernel) NFT() *NFT { return &k.nft }

// RunAll runs steps in order up to the first failure that matters.
func (k *Kernel) RunAll(steps []plan.Step) error {
	for i, s := range steps {
		if err := k.Run(s); err != nil && !s.MayFail {
			return fmt.Errorf("step %d (%s): %w", i+1, s.Why, err)
		}
	}
	return nil
}

func (k *Kernel) deleteTable(name string) error {
	t := k.tables[name]
	if t == nil {
		return errors.New("no such table")
	}
	for cn, c := range t.chains {
		if c.policy == "-" || len(c.rules) > 0 {
			return fmt.Errorf("chain %s is in the way", cn)
		}
	}
	if k.variant != iptables.NFT {
		return errors.New("legacy tables stay")
	}
	delete(k.tables, name)
	return nil
}

// Save is what iptables-save prints for the family, 4 or 6.
func (k *Kernel) Save(family int) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(k.tables)) {
		name, ok := strings.CutPrefix(key, fmt.Sprint(family)+" ")
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "*%s\n", name)
		t := k.tables[key]
		names := t.names()
		for _, n := range names {
			fmt.Fprintf(&b, ":%s %s [0:0]\n", n, t.chains[n].policy)
		}
		for _, n := range names {
			for _, r := range t.chains[n].rules {
				b.WriteString(strings.TrimSuffix("-A "+n+" "+r.text, " ") + "\n")
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.String()
}

// names are the chains in iptables-save's order: base chains, then by name.
func (t *table) names() []string {
	var base, rest []string
	for _, n := range []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT"} {
		if t.chains[n] != nil {
			base = append(base, n)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(t.chains)) {
		if !slices.Contains(base, n) {
			rest = append(rest, n)
		}
	}
	return append(base, rest...)
}

// builtins are the chains that a table has by itself.
func builtins(table string) []string {
	if table == "raw" {
		return []string{"PREROUTING", "OUTPUT"}
	}
	return []string{"INPUT", "FORWARD", "OUTPUT"}
}

// State is what a backend observes. It goes through the tools' texts, as the
// real one does.
func (k *Kernel) State() (iptables.State, error) {
	s := iptables.State{Variant: k.variant}
	var err4, err6, errSets error
	s.V4, err4 = iptables.ParseSave(k.Save(4))
	s.V6, err6 = iptables.ParseSave(k.Save(6))
	s.Sets, errSets = iptables.ParseSets(k.SaveSets())
	k.markNative(4, s.V4)
	k.markNative(6, s.V6)
	return s, errors.Join(err4, err6, errSets)
}
