package iptables_test

import (
	"fmt"
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/ruletest"
	"dockwall/rules/trace"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// inKernel is a table as a ruleset of its own, with these sets: hooks where
// others' chains jump to ours.
func inKernel(t *rapid.T, family int, tables []iptables.Table, name string, sets []iptables.SetState) rules.Ruleset {
	t.Helper()
	var rs rules.Ruleset
	for _, s := range sets {
		name, ok := strings.CutPrefix(s.Name, fmt.Sprintf("dockwall%d-", family))
		if !ok {
			continue
		}
		rs.Sets = append(rs.Sets, rules.Set{Name: name, Type: rules.SetType(s.Type), Members: s.Members})
	}
	for _, tab := range tables {
		for _, c := range tab.Chains {
			if tab.Name != name {
				continue
			}
			mine := rules.Chain{Name: c.Name}
			for _, text := range c.Rules {
				if !strings.HasPrefix(c.Name, "DOCKWALL-") && !strings.Contains(text, "-j DOCKWALL-") {
					continue
				}
				r, err := iptables.ParseRule(c.Name, text)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(c.Name, "DOCKWALL-") {
					mine.Rules = append(mine.Rules, r)
					continue
				}
				rs.Hooks = append(rs.Hooks, rules.Hook{Guard: name == "security", Base: rules.Base(c.Name), Chain: r.Verdict.Chain})
			}
			if strings.HasPrefix(c.Name, "DOCKWALL-") {
				rs.Chains = append(rs.Chains, mine)
			}
		}
	}
	return rs
}

// between is a host on the way from one ruleset to another.
type between struct {
	t        *rapid.T
	k        *ruletest.Kernel
	from, to iptables.State
	packets  []trace.Packet
}

// hold looks whether the guard holds what it has to, and nothing else.
func (b between) hold(i int) (held int) {
	s := state(b.t, b.k)
	for f, tables := range [][3][]iptables.Table{{b.from.V4, b.to.V4, s.V4}, {b.from.V6, b.to.V6, s.V6}} {
		was := trace.New(inKernel(b.t, 4+2*f, tables[0], "security", s.Sets))
		next := trace.New(inKernel(b.t, 4+2*f, tables[1], "security", s.Sets))
		now := trace.New(inKernel(b.t, 4+2*f, tables[2], "security", s.Sets))
		filter := trace.New(inKernel(b.t, 4+2*f, tables[2], "filter", s.Sets))
		for _, p := range b.packets {
			if p.Src.Is4() != (f == 0) || p.Src.Is4() != p.Dst.Is4() {
				continue
			}
			for guard, decides := range map[rules.Base]rules.Base{rules.BaseForward: rules.BaseDockerUser, rules.BaseInput: rules.BaseInput} {
				before, after, got := was.RunGuard(p, guard).Verdict, next.RunGuard(p, guard).Verdict, now.RunGuard(p, guard).Verdict
				decided := filter.Run(p, decides).Verdict
				if before == trace.Drop && after == trace.Drop {
					held++
					if got != trace.Drop {
						b.t.Fatalf("after step %d the guard lets through what it must not (%s in %s): %+v\n%s", i, got, guard, p, b.k.Save(4))
					}
				}
				if decided == trace.Pass && got == trace.Drop {
					b.t.Fatalf("after step %d the guard denies what the rules allow (in %s): %+v\n%s", i, guard, p, b.k.Save(4))
				}
			}
		}
	}
	return held
}

// At every step, also after one that was stopped, the guard denies what both
// the old rules and the new ones deny, and nothing that the rules in force
// allow: the two tables together are the old policy or the new one.
func TestGuardNeverOpens(t *testing.T) {
	held, stopped := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		k, o, _ := drawHost(t)
		o.Guard, o.Inline = true, false
		rs := drawGuarded(t)
		apply(t, k, rs, o)
		b := between{t: t, k: k}
		for range 30 {
			b.packets = append(b.packets, densePacket(t))
		}
		for range 2 {
			rs = drawGuarded(t)
			p := iptables.Diff(rs, state(t, k), o)
			end := k.Clone()
			if err := end.RunAll(all(p)); err != nil {
				t.Fatalf("%v\n%s", err, p)
			}
			b.from, b.to = state(t, k), state(t, end)
			if err := k.RunAll(append(p.Prepare, p.Checks...)); err != nil {
				t.Fatal(err)
			}
			stop := rapid.IntRange(0, len(p.Steps)).Draw(t, "stop")
			for i, step := range p.Steps[:stop] {
				if err := k.Run(step); err != nil {
					t.Fatal(err)
				}
				held += b.hold(i)
			}
			if stop < len(p.Steps) {
				stopped++
			}
		}
		apply(t, k, rs, o)
		fresh := ruletest.NewKernel(o.Variant)
		apply(t, fresh, rs, o)
		if d := cmp.Diff(guardOf(state(t, fresh)), guardOf(state(t, k))); d != "" {
			t.Fatalf("the guard after all (-want +got):\n%s", d)
		}
	})
	if held == 0 || stopped == 0 {
		t.Errorf("%d packets were held, %d plans were stopped: the test says nothing", held, stopped)
	}
}

// drawGuarded draws a dense ruleset that the guard repeats.
func drawGuarded(t *rapid.T) rules.Ruleset {
	rs := drawDense(t)
	for i := range rs.Sets {
		rs.Sets[i].InPlace = true
	}
	// What INPUT reaches first calls what FORWARD reaches, or does not.
	second := rules.Chain{Name: "DOCKWALL-I", Rules: []rules.Rule{denseRule(t, rs.Sets, true, 30)}}
	if rapid.Bool().Draw(t, "shared") {
		second.Rules = append(second.Rules, rules.Rule{Verdict: rules.Verdict{Kind: rules.Jump, Chain: "DOCKWALL-A"}})
	}
	rs.Chains = append(rs.Chains, second)
	rs.Hooks = []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-A"}, {Base: rules.BaseInput, Chain: "DOCKWALL-I"},
		{Guard: true, Base: rules.BaseForward, Chain: "DOCKWALL-A"}, {Guard: true, Base: rules.BaseInput, Chain: "DOCKWALL-I"}}
	return rs
}

// guardOf is our part of the guard's table.
func guardOf(s iptables.State) string {
	var b strings.Builder
	for _, tables := range [][]iptables.Table{s.V4, s.V6} {
		for _, t := range tables {
			for _, c := range t.Chains {
				if t.Name == "security" && strings.HasPrefix(c.Name, "DOCKWALL-") && !strings.HasPrefix(c.Name, "DOCKWALL-MADE-") {
					b.WriteString(c.Name + "\n" + strings.Join(c.Rules, "\n") + "\n")
				}
			}
		}
	}
	return b.String()
}
