package ruletest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// AddNative puts a native rule of nftables first in a chain that exists. From then on the
// table is read through netlink.
func (k *Kernel) AddNative(family int, table, chain string, r iptables.NativeRule) error {
	key := fmt.Sprint(family, " ", table)
	t := k.tables[key]
	if t == nil || t.chains[chain] == nil {
		return errors.New("no such chain")
	}
	k.native[key] = true
	t.chains[chain].rules = slices.Insert(t.chains[chain].rules, 0, rule{r.Text(), r.Target})
	return nil
}

func isNative(r rule) bool { return strings.HasPrefix(r.text, "[nft ") }

// markNative marks the chains of other programs in the tables that are read through
// netlink.
func (k *Kernel) markNative(family int, tables []iptables.Table) {
	for _, t := range tables {
		for i := range t.Chains {
			t.Chains[i].Native = k.native[fmt.Sprint(family, " ", t.Name)] && !iptables.Owned(t.Chains[i].Name)
		}
	}
}

func (k *Kernel) setJumps(a plan.SetJumps) error {
	t := k.tables[fmt.Sprint(a.Family, " ", a.Table)]
	if t == nil || t.chains[a.Chain] == nil {
		if len(a.Jumps) == 0 {
			return nil
		}
		return errors.New("no such chain")
	}
	for _, j := range a.Jumps {
		if t.chains[j.Target] == nil {
			return fmt.Errorf("no chain %s", j.Target)
		}
	}
	c := t.chains[a.Chain]
	targets := map[string]string{}
	var rest []string
	for _, r := range c.rules {
		targets[r.text] = r.target
		if !iptables.OurJump(r.text) {
			rest = append(rest, r.text)
		}
	}
	for _, j := range a.Jumps {
		targets[iptables.Place(nil, []plan.Jump{j})[0]] = j.Target
	}
	c.rules = nil
	for _, text := range iptables.Place(rest, a.Jumps) {
		c.rules = append(c.rules, rule{text, targets[text]})
	}
	return nil
}
