package iptables

import (
	"fmt"
	"strings"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// The chains of a guard that is between two rulesets.
const (
	chainWas  = ownChains + "WAS-"
	chainNext = ownChains + "NEXT-"
)

// widening is the guard while the filter table flips: what the old rules deny
// goes on to the new ones, and is dropped only where those deny it too.
//
//	FORWARD ─► entry, old rules ─ denied ─► NEXT-0, new rules ─ denied ─► DROP
//	              └─► WAS-n, old rules ─ denied ──┘
//
// So at every step of a plan the two tables together do what the old ruleset
// says or what the new one says, and never is there no guard: Docker may be
// taking its jump to DOCKER-USER away at that very moment.
type widening struct {
	seen    *Table
	entries []entry
	want    []chainLines
	// next are the new names of want's chains, for as long as it takes.
	next map[string]string
	was  []chainLines
}

// entry is a chain of ours that another program's chain jumps to, and the one
// that is to be jumped to next.
type entry struct{ chain, next string }

// widen adds the step before the flip, if the rules change, and has the guard's
// own step leave nothing of it. Where the old and the new chains together are
// deeper than the kernel allows there is no such step: what only one of the
// rulesets allows is closed then until the guard has followed.
func (d *diff) widen(filter, guard *tableEdit, rs spelt) {
	// A guard that is already as wanted stays: the filter table was tampered
	// with, and the guard drops until then.
	if !filter.flips() || guard.seen == nil || !guard.flips() {
		return
	}
	w := &widening{seen: guard.seen, want: rs.desired(guard.family, rules.StageGuard), next: map[string]string{}}
	if !w.enter(rs.Ruleset) || w.depth() > rules.MaxDepth {
		return
	}
	text := w.script()
	d.opening = append(d.opening, guard.step(text, "until the rules have changed, guard what both old and new deny"))
	guard.transit = w.made()
	for _, e := range w.entries {
		guard.rewrite(e.chain, w.want)
	}
}

// enter finds the entries; false if there is none, or one has no successor.
func (w *widening) enter(rs rules.Ruleset) bool {
	to := map[string]string{}
	for _, h := range rs.Hooks {
		if h.Guard {
			to[string(h.Base)] = h.Chain
		}
	}
	for _, c := range w.seen.Chains {
		if owned(c.Name) {
			continue
		}
		for _, r := range c.Rules {
			target, _ := targetOf(r)
			if !owned(target) || w.seen.chain(target) == nil {
				continue
			}
			next := to[c.Name]
			i := w.entry(target)
			switch {
			case next == "" || i >= 0 && w.entries[i].next != next:
				return false
			case i < 0:
				w.entries = append(w.entries, entry{target, next})
			}
		}
	}
	return len(w.entries) > 0
}

func (w *widening) entry(chain string) int {
	for i, e := range w.entries {
		if e.chain == chain {
			return i
		}
	}
	return -1
}

// depth is how many chains a packet can be in, one called by the other.
func (w *widening) depth() int {
	old, next := map[string][]string{}, map[string][]string{}
	for _, c := range w.seen.Chains {
		for _, r := range c.Rules {
			target, _ := targetOf(r)
			old[c.Name] = append(old[c.Name], target)
		}
	}
	for _, c := range w.want {
		for _, l := range c.lines {
			target, _ := targetOf(l.save)
			next[c.name] = append(next[c.name], target)
		}
	}
	deepest := 0
	for _, e := range w.entries {
		deepest = max(deepest, deep(old, e.chain, 1)+deep(next, e.next, 1))
	}
	return deepest
}

// deep is the longest way down from a chain of ours, level being its own.
func deep(to map[string][]string, chain string, level int) int {
	if !owned(chain) || level > rules.MaxDepth {
		return level - 1
	}
	deepest := level
	for _, target := range to[chain] {
		deepest = max(deepest, deep(to, target, level+1))
	}
	return deepest
}

// script is the one transaction that does it. It can be run again, and at any
// step of the plan.
func (w *widening) script() plan.Script {
	for i, c := range w.want {
		w.next[c.name] = fmt.Sprint(chainNext, i)
	}
	entries := make([]chainLines, 0, len(w.entries))
	for _, e := range w.entries {
		entries = append(entries, chainLines{e.chain, w.old(e.chain, w.next[e.next], map[string]string{})})
	}
	var s script
	s.frame("*" + tableGuard)
	for _, name := range w.made() {
		s.frame(":" + name + " - [0:0]")
	}
	for _, e := range entries {
		s.frame(":" + e.name + " - [0:0]")
	}
	for _, c := range w.want {
		for _, l := range c.lines {
			text := retarget(l.save, func(target string) (string, bool) { return w.next[target], w.next[target] != "" })
			s.add("-A "+w.next[c.name]+" "+text, l.origin)
		}
	}
	for _, c := range append(w.was, entries...) {
		for _, l := range c.lines {
			s.frame("-A " + c.name + " " + l.feed)
		}
	}
	s.frame("COMMIT")
	return s.text()
}

// old are a chain's rules as they are, but that denials go on to the chain
// next, and calls to copies made for it. Logs are left out: what is denied is
// logged where that is decided.
func (w *widening) old(chain, next string, copies map[string]string) []line {
	var out []line
	for _, r := range w.seen.chain(chain).Rules {
		target, _ := targetOf(r)
		if target == "NFLOG" {
			continue
		}
		if target == "DROP" || target == "REJECT" {
			text, _, _ := cutTarget(r)
			out = append(out, line{feed: feedText(strings.TrimSpace(text + " -g " + next))})
			continue
		}
		out = append(out, line{feed: retarget(r, func(target string) (string, bool) {
			if !owned(target) || w.seen.chain(target) == nil {
				return "", false
			}
			return w.copied(target, next, copies), true
		})})
	}
	return out
}

// copied is the name of the copy that is made of a chain for next.
func (w *widening) copied(chain, next string, copies map[string]string) string {
	if name := copies[chain]; name != "" {
		return name
	}
	at := len(w.was)
	name := fmt.Sprint(chainWas, at)
	copies[chain] = name
	w.was = append(w.was, chainLines{name: name})
	w.was[at].lines = w.old(chain, next, copies)
	return name
}

// made are the chains that are there only for as long as it takes.
func (w *widening) made() []string {
	var out []string
	for _, c := range w.want {
		out = append(out, w.next[c.name])
	}
	for _, c := range w.was {
		out = append(out, c.name)
	}
	return out
}

// cutTarget splits a printed rule before its target.
func cutTarget(rule string) (match, verb, target string) {
	var words []string
	before, at := "", -1
	for word := range splitWords(rule) {
		if (word == "-j" || word == "-g") && before != "--comment" && at < 0 {
			at = len(words)
		}
		words = append(words, word)
		before = word
	}
	if at < 0 {
		return rule, "", ""
	}
	return strings.Join(words[:at], " "), words[at], strings.Join(words[at+1:], " ")
}

// retarget writes a printed rule for iptables-restore, with another target
// where to names one.
func retarget(rule string, to func(target string) (string, bool)) string {
	match, verb, target := cutTarget(rule)
	if name, ok := to(target); ok && verb != "" {
		rule = strings.TrimSpace(match + " " + verb + " " + name)
	}
	return feedText(rule)
}
