package kernel

import (
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/ruletest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The real iptables-restore takes every text that a rule can hold, in one go,
// and the real iptables-save prints as many rules, byte for byte as they were
// rendered: nothing got out of its quotes, in either variant or family.
// (rules/backend/iptables FuzzQuoting asks the same of its tokenizer, much more often.)
func TestQuoting(t *testing.T) {
	for _, v := range variants() {
		t.Run(string(v), func(t *testing.T) {
			inNamespace(t)
			rapid.Check(t, func(t *rapid.T) {
				chain := rules.Chain{Name: "DOCKWALL-A"}
				for range 20 {
					chain.Rules = append(chain.Rules, drawHostile(t))
				}
				rs := rules.Ruleset{Chains: []rules.Chain{chain}, Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: chain.Name}}}
				if err := rs.Validate(); err != nil {
					t.Fatalf("%v", err)
				}
				reset(t, v)
				for _, f := range families() {
					quoted(t, rs, v, f)
				}
			})
		})
	}
}

func quoted(t *rapid.T, rs rules.Ruleset, v iptables.Variant, f iptables.Family) {
	script(t, []string{tool(v, f, "restore"), "--noflush"}, "*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n")
	text := iptables.Render(rs, f, iptables.Options{Variant: v}).Body
	script(t, []string{tool(v, f, "restore"), "--noflush", "--test"}, text)
	script(t, []string{tool(v, f, "restore"), "--noflush"}, text)
	tables, err := iptables.ParseSave(save(t, v, f))
	if err != nil {
		t.Fatalf("%v\n%s", err, save(t, v, f))
	}
	i := slices.IndexFunc(tables, func(tab iptables.Table) bool { return tab.Name == "filter" })
	for _, c := range tables[i].Chains {
		if c.Name != rs.Chains[0].Name {
			continue
		}
		if len(c.Rules) != len(rs.Chains[0].Rules) {
			t.Fatalf("%d rules became %d", len(rs.Chains[0].Rules), len(c.Rules))
		}
		for j, r := range rs.Chains[0].Rules {
			back, err := iptables.ParseRule(c.Name, c.Rules[j])
			if err != nil {
				t.Fatalf("%v", err)
			}
			if d := cmp.Diff(r.Match, back.Match); d != "" {
				t.Fatalf("%q (-written +printed):\n%s", c.Rules[j], d)
			}
		}
	}
}

// drawHostile draws a rule out of texts that are each somebody else's.
func drawHostile(t *rapid.T) rules.Rule {
	text := rapid.OneOf(rapid.SampledFrom(ruletest.Hostile()), rapid.String(), rapid.StringMatching(`[ "'\\t!#*;:-]{0,9}`))
	name := rapid.OneOf(rapid.SampledFrom(ruletest.Interfaces()), rapid.StringMatching(`[!-.0-9;-~]{1,15}`)).Filter(func(s string) bool {
		return s != "." && s != ".." && !strings.HasSuffix(s, "+")
	})
	r := rules.Rule{Origin: rules.Origin{Subject: rules.ParseSubject(text.Draw(t, "policy"))}, Match: []rules.Match{
		rules.InInterface{Name: name.Draw(t, "in")}, rules.OutInterface{Name: name.Draw(t, "out"), Not: rapid.Bool().Draw(t, "not")},
		rules.Proto{Proto: netinfo.TCP}, rules.InBridgePort{Name: name.Draw(t, "port")}}}
	prefix := text.Draw(t, "prefix")
	r.Verdict = rules.Verdict{Kind: rules.Log, Group: 7, Prefix: prefix[:min(len(prefix), rules.MaxLogPrefix)]}
	return r
}
