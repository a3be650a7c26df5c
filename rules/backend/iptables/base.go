package iptables

import (
	"fmt"
	"slices"

	"dockwall/rules"
)

// baseEdit puts our jump into another program's chain, or takes it out. Its
// rules are spelt as iptables-save prints them.
type baseEdit struct {
	chain string
	// old are our jumps as they are, at their places (from 0), and goal are those
	// that are wanted: first of all, or right after Docker's own.
	old, goal []placed
	// plain: Docker's own jump to DOCKER-USER is put back first.
	plain bool
	// twice is how many jumps of Docker's there are, if more than one.
	twice int
	// native: the chain is written through netlink, not by the table's script.
	native bool
}

type placed struct {
	at   int
	rule string
}

// basesOf finds what is to be done in the chains of others: every jump of ours
// that is not where it should be goes, and the wanted ones come first, or after rules that
// are harmless.
func basesOf(t *Table, hooks []rules.Hook, filter bool) []baseEdit {
	want := map[string]string{}
	names := []string{}
	user := false
	for _, h := range hooks {
		want[string(h.Base)] = jump(h.Chain)
		names = append(names, string(h.Base))
		user = user || h.Base == rules.BaseDockerUser
	}
	names = append(names, string(rules.BaseForward))
	if t != nil {
		for _, c := range t.Chains {
			if !owned(c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	var out []baseEdit
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		c := t.chain(name)
		b := baseEdit{chain: name, old: ourJumps(c), native: c != nil && c.Native}
		if want[name] != "" {
			b.goal = []placed{{0, want[name]}}
		}
		if filter && user && name == string(rules.BaseForward) {
			b.forward(t)
		}
		b.stay(t, filter)
		if b.needed() {
			out = append(out, b)
		}
	}
	return out
}

func ourJumps(c *Chain) []placed {
	var out []placed
	if c == nil {
		return nil
	}
	for i, r := range c.Rules {
		if ourJump(r) {
			out = append(out, placed{i, r})
		}
	}
	return out
}

// forward decides how FORWARD gets to DOCKER-USER. Without our own jumps: where
// a jump of Docker's stands first (harmless rules aside), ours is not needed. Where there is none and
// Docker has its chains here, Docker's is put back, as Docker writes it, so
// that Docker finds it. Otherwise our own goes first. Docker takes its jump away
// and puts it back, and adds a second one to the one that was put back in
// between: they become one again, or removing dockwall would leave both. A guard's
// jump comes after that to DOCKER-USER, which people and Docker look for first.
func (b *baseEdit) forward(t *Table) {
	var rest []string
	if c := t.chain(b.chain); c != nil {
		rest = slices.DeleteFunc(slices.Clone(c.Rules), ourJump)
	}
	dockers := 0
	for _, r := range rest {
		if r == plainJump {
			dockers++
		}
	}
	guard := b.goal
	b.goal = nil
	switch {
	case dockers > 1 && dockerChains(t) && !b.native:
		b.plain, b.twice = true, dockers
	case leadsToUser(t, rest):
	case !slices.ContainsFunc(rest, bareUserJump) && t != nil && dockerChains(t):
		b.plain = true
	default:
		b.goal = []placed{{0, jump(dockerUser)}}
	}
	for _, g := range guard {
		b.goal = append(b.goal, placed{1, g.rule})
	}
}

// leadsToUser reports whether a jump to DOCKER-USER comes first, or after rules that are
// harmless.
func leadsToUser(t *Table, rules []string) bool {
	for _, r := range rules {
		if bareUserJump(r) {
			return true
		}
		if !harmless(t, r, nil) {
			return false
		}
	}
	return false
}

func (b baseEdit) needed() bool { return b.plain || !slices.Equal(b.old, b.goal) }

func (b baseEdit) write(s *script) {
	if b.native {
		return // jumpSteps
	}
	for _, o := range b.old {
		s.frame("-D " + b.chain + " " + feedText(o.rule))
	}
	for range b.twice {
		s.frame("-D " + b.chain + " " + plainJump)
	}
	if b.plain {
		s.frame("-I " + b.chain + " 1 " + plainJump)
	}
	for _, g := range b.goal {
		s.frame(fmt.Sprintf("-I %s %d %s", b.chain, g.at+1, g.rule))
	}
}

// apply does to a chain what write asks the kernel to do.
func (b baseEdit) apply(c *Chain) {
	if c == nil {
		return
	}
	c.Absent = c.Absent && !b.plain && len(b.goal) == 0
	c.Rules = slices.DeleteFunc(c.Rules, ourJump)
	if b.twice > 0 {
		c.Rules = slices.DeleteFunc(c.Rules, func(r string) bool { return r == plainJump })
	}
	if b.plain {
		c.Rules = slices.Insert(c.Rules, 0, plainJump)
	}
	for _, g := range b.goal {
		c.Rules = slices.Insert(c.Rules, min(g.at, len(c.Rules)), g.rule)
	}
}

// surplus are the rules that undoing has to delete before it puts the old ones
// back: as many of each as there can be, before or after the edit. What is
// there in either case is deleted by the undoing itself, so that a jump that
// was only moved is never missing. Jumps of native chains are replaced together.
func (b baseEdit) surplus() (may, sure []string) {
	if b.native {
		return nil, nil
	}
	seen := map[string]bool{}
	for _, p := range slices.Concat(b.goal, b.old) {
		text := p.rule
		if seen[text] {
			continue
		}
		seen[text] = true
		before, after := count(b.old, text), count(b.goal, text)
		if before == after {
			sure = append(sure, text)
			continue
		}
		for range max(before, after) {
			may = append(may, text)
		}
	}
	return may, sure
}

func count(ps []placed, rule string) int {
	n := 0
	for _, p := range ps {
		if p.rule == rule {
			n++
		}
	}
	return n
}

func (b baseEdit) undo(s *script) {
	if b.native {
		return // jumpSteps
	}
	_, sure := b.surplus()
	for _, text := range sure {
		s.frame("-D " + b.chain + " " + feedText(text))
	}
	for _, o := range b.old {
		s.frame(fmt.Sprintf("-I %s %d %s", b.chain, o.at+1, feedText(o.rule)))
	}
}
