package iptables

import (
	"slices"
	"strings"
)

// stay leaves the jumps where they are if every rule before them is harmless: other
// programs want their rules first as well, and mailcow's restarts until they are. What a
// harmless rule lets pass meets dockwall's rules after it.
func (b *baseEdit) stay(t *Table, filter bool) {
	c := t.chain(b.chain)
	if c == nil || b.plain || len(b.old) == 0 || len(b.old) != len(b.goal) {
		return
	}
	last := -1
	for i, o := range b.old {
		if o.rule != b.goal[i].rule {
			return
		}
		last = o.at
	}
	for _, r := range c.Rules[:last] {
		userJump := filter && b.chain == "FORWARD" && bareUserJump(r)
		if !ourJump(r) && !userJump && !harmless(t, r, nil) {
			return
		}
	}
	b.goal = slices.Clone(b.old)
}

// harmless reports whether no packet that meets the rule misses the rules after it, except
// one that is refused. callers are the chains that lead to the rule; without any it stands
// in a chain that dockwall hooks, where to return is to miss dockwall's jump.
func harmless(t *Table, rule string, callers []string) bool {
	_, verb, target := cutTarget(rule)
	target, _, _ = strings.Cut(target, " ")
	switch target {
	case "DROP", "REJECT", "LOG", "NFLOG":
		return true
	case "RETURN":
		return len(callers) > 0
	case "":
		// Of native rules without a verdict not all go on: some hand packets over.
		return !strings.HasPrefix(rule, nativeMark) || strings.Contains(rule, " log")
	}
	c := t.chain(target)
	// A chain that is gone to returns to the caller of the chain that it was gone to from.
	if c == nil || owned(target) || slices.Contains(callers, target) || verb == "-g" && len(callers) == 0 {
		return false
	}
	callers = append(slices.Clone(callers), target)
	return !slices.ContainsFunc(c.Rules, func(r string) bool { return !harmless(t, r, callers) })
}

// Before names the chains of other programs that packets pass on their way to dockwall's
// jumps: what changes in them can change what dockwall's rules see.
func Before(t Table) []string {
	var all []string
	var follow func(c *Chain, until int)
	follow = func(c *Chain, until int) {
		for _, r := range c.Rules[:until] {
			target, _ := targetOf(r)
			next := t.chain(target)
			if next == nil || owned(target) || target == dockerUser || slices.Contains(all, target) {
				continue
			}
			all = append(all, target)
			follow(next, len(next.Rules))
		}
	}
	for i := range t.Chains {
		c := &t.Chains[i]
		if owned(c.Name) {
			continue
		}
		for at, r := range c.Rules {
			if ourJump(r) {
				follow(c, at)
			}
		}
	}
	if c := t.chain("FORWARD"); c != nil {
		follow(c, max(0, slices.IndexFunc(c.Rules, bareUserJump)))
	}
	return all
}
