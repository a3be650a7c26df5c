package trace

import (
	"fmt"

	"dockwall/rules"
)

// Machine is a ruleset made ready for many packets: references resolved and
// sets indexed.
type Machine struct {
	chains []chain
	hooks  []hook
	// broken is what is wrong with the ruleset; every walk is then Undecided.
	broken string
}

type chain struct {
	name  string
	rules []rule
}

type rule struct {
	rule  *rules.Rule
	conds []cond
	// to is the chain that Jump and Goto go to.
	to int
}

type hook struct {
	rules.Hook
	chain int
}

// New makes a Machine. It keeps the ruleset, which must not change after. A
// ruleset that refers to what is not there, or whose chains reach themselves,
// gives a Machine whose every result is Undecided and says so.
func New(rs rules.Ruleset) *Machine {
	m := &Machine{chains: make([]chain, len(rs.Chains))}
	names := make(map[string]int, len(rs.Chains))
	for i := range rs.Chains {
		names[rs.Chains[i].Name] = i
	}
	sets := make(map[string]*index, len(rs.Sets))
	for _, s := range rs.Sets {
		sets[s.Name] = newIndex(s)
	}
	for i := range rs.Chains {
		m.chains[i] = m.newChain(&rs.Chains[i], names, sets)
	}
	for _, h := range rs.Hooks {
		to, ok := names[h.Chain]
		if !ok {
			m.breaks("the hook in %s goes to %s, which is not there", h.Base, h.Chain)
		}
		m.hooks = append(m.hooks, hook{h, to})
	}
	m.checkLoops()
	return m
}

func (m *Machine) newChain(c *rules.Chain, names map[string]int, sets map[string]*index) chain {
	out := chain{name: c.Name, rules: make([]rule, len(c.Rules))}
	for i := range c.Rules {
		r := &c.Rules[i]
		to := -1
		if r.Verdict.Kind == rules.Jump || r.Verdict.Kind == rules.Goto {
			var ok bool
			if to, ok = names[r.Verdict.Chain]; !ok {
				m.breaks("rule %d of %s goes to %s, which is not there", i, c.Name, r.Verdict.Chain)
			}
		}
		out.rules[i] = rule{rule: r, conds: m.newConds(c.Name, i, r, sets), to: to}
	}
	return out
}

func (m *Machine) newConds(chain string, i int, r *rules.Rule, sets map[string]*index) []cond {
	conds := make([]cond, len(r.Match))
	for j, x := range r.Match {
		conds[j] = cond{match: x}
		in, ok := x.(rules.InSet)
		if !ok {
			continue
		}
		conds[j].set = sets[in.Set]
		switch {
		case conds[j].set == nil:
			m.breaks("rule %d of %s looks into the set %s, which is not there", i, chain, in.Set)
		case len(in.Dims) != conds[j].set.typ.Dims():
			m.breaks("rule %d of %s looks into the set %s with %d dimensions", i, chain, in.Set, len(in.Dims))
		}
	}
	return conds
}

func (m *Machine) breaks(format string, args ...any) {
	if m.broken == "" {
		m.broken = fmt.Sprintf(format, args...)
	}
}

// checkLoops refuses chains that reach themselves: the kernel refuses those
// that a hook reaches, and a walk through them would not end.
func (m *Machine) checkLoops() {
	const fresh, open, done = 0, 1, 2
	state := make([]int, len(m.chains))
	var visit func(i int)
	visit = func(i int) {
		state[i] = open
		for _, r := range m.chains[i].rules {
			switch {
			case r.to < 0:
			case state[r.to] == open:
				m.breaks("the chain %s reaches itself", m.chains[r.to].name)
			case state[r.to] == fresh:
				visit(r.to)
			}
		}
		state[i] = done
	}
	for i := range m.chains {
		if state[i] == fresh {
			visit(i)
		}
	}
}
