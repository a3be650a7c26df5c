package iptables

import (
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// changes are the plan for people: tables in order, then sets.
func (d *diff) changes() []plan.Change {
	var out []plan.Change
	for _, e := range d.edits {
		out = append(out, e.changes()...)
	}
	for _, e := range d.sets {
		out = append(out, plan.Change{Kind: plan.ChangeSet, Family: int(e.want.family), Set: e.want.name,
			Old: memberTexts(e.gone), New: memberTexts(e.added())})
	}
	for _, s := range d.stale {
		if !isTemp(s.Name) {
			out = append(out, plan.Change{Kind: plan.ChangeSet, Family: s.Family, Set: s.Name, Old: memberTexts(s.Members)})
		}
	}
	return out
}

func (e setEdit) added() []rules.Member {
	if e.old == nil {
		return e.want.members
	}
	return e.come
}

func memberTexts(ms []rules.Member) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = m.String()
	}
	return out
}

func (e *tableEdit) changes() []plan.Change {
	var out []plan.Change
	add := func(k plan.ChangeKind, chain string, from, to []string) {
		if k == plan.ChangeChain && len(to) > 0 && slices.Equal(from, to) {
			return // only written again, because the guard stepped aside
		}
		from, to = plan.GoneAndCome(from, to)
		out = append(out, plan.Change{Kind: k, Family: int(e.family), Table: e.table, Chain: chain, Old: from, New: to})
	}
	for _, b := range e.bases {
		from, to := b.change()
		add(plan.ChangeJump, b.chain, from, to)
	}
	for _, c := range e.write {
		var to []string
		for _, l := range c.lines {
			to = append(to, l.save)
		}
		add(plan.ChangeChain, c.name, e.rules(c.name), to)
	}
	for _, name := range slices.Concat(e.drop, e.empty) {
		add(plan.ChangeChain, name, e.rules(name), nil)
	}
	if e.dropUser {
		add(plan.ChangeChain, dockerUser, nil, nil)
	}
	return slices.DeleteFunc(out, func(c plan.Change) bool { return strings.HasPrefix(c.Chain, reservedChains) })
}

func (e *tableEdit) rules(chain string) []string {
	if c := e.seen.chain(chain); c != nil {
		return c.Rules
	}
	return nil
}

func (b baseEdit) change() (from, to []string) {
	for _, o := range b.old {
		from = append(from, o.rule)
	}
	for _, g := range b.goal {
		to = append(to, g.rule)
	}
	for range b.twice {
		from = append(from, plainJump)
	}
	if b.plain {
		to = append(to, plainJump)
	}
	return from, to
}
