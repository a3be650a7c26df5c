package kernel

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// restoreAll writes a text with iptables-restore or ipset restore.
func script(t fataler, argv []string, text string) {
	t.Helper()
	if _, err := command(text, argv...); err != nil {
		t.Fatalf("%v\n%s", err, numbered(text))
	}
}

func numbered(text string) string {
	var b strings.Builder
	for i, l := range strings.Split(text, "\n") {
		fmt.Fprintf(&b, "%3d %s\n", i+1, l)
	}
	return b.String()
}

func tool(v iptables.Variant, f iptables.Family, what string) string {
	s := string(v)
	if f == iptables.V6 {
		s = strings.Replace(s, "ip", "ip6", 1)
	}
	return s + "-" + what
}

// reset makes the namespace empty, as far as our chains and sets go.
func reset(t fataler, v iptables.Variant) {
	t.Helper()
	if v == iptables.NFT {
		script(t, []string{"nft", "flush", "ruleset"}, "")
	} else {
		const empty = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
		for _, f := range families() {
			script(t, []string{tool(v, f, "restore"), "-w"}, empty)
			script(t, []string{tool(v, f, "restore"), "-w"}, strings.Replace(empty, "filter", "security", 1))
			script(t, []string{tool(v, f, "restore"), "-w"}, "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")
		}
	}
	script(t, []string{"ipset", "destroy"}, "")
}

// What is rendered is what iptables-save prints: byte for byte, for every
// match, verdict and hostile name, in both variants and families. ParseRule
// reads it back to a rule that renders the same.
func TestRoundTrip(t *testing.T) {
	for _, v := range variants() {
		t.Run(string(v), func(t *testing.T) {
			inNamespace(t)
			rapid.Check(t, func(t *rapid.T) {
				rs := ruletest.Rulesets().Draw(t, "ruleset")
				if err := rs.Validate(); err != nil {
					t.Fatalf("the generator's ruleset is invalid: %v", err)
				}
				reset(t, v)
				for _, f := range families() {
					roundTrip(t, rs, v, f)
				}
			})
		})
	}
}

func roundTrip(t *rapid.T, rs rules.Ruleset, v iptables.Variant, f iptables.Family) {
	o := iptables.Options{Variant: v, Guard: true}
	script(t, []string{"ipset", "restore"}, iptables.SetText(rs, f).Body)
	script(t, []string{tool(v, f, "restore"), "--noflush"}, "*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n")
	script(t, []string{tool(v, f, "restore"), "--noflush"}, iptables.Render(rs, f, o).Body)
	seen := observe(t, v)
	if d := cmp.Diff(iptables.Advance(seen, rs, o).Sets, seen.Sets, members(), byName(), sameFamily(f)); d != "" {
		t.Fatalf("sets (-want +got):\n%s", d)
	}
	tables := seen.V4
	if f == iptables.V6 {
		tables = seen.V6
	}
	// A Diff that finds nothing to do in this family compared all texts.
	for _, c := range iptables.Diff(rs, seen, o).Changes {
		if c.Family == int(f) && c.Chain != "FORWARD" {
			t.Fatalf("IPv%d %s: rendered is not what is saved: %v\n got %q\nwant %q", f, c.Chain, c.Kind, c.Old, c.New)
		}
	}
	parseBack(t, tables, f)
}

func members() cmp.Option { return cmp.Comparer(func(a, b rules.Member) bool { return a == b }) }

func sameFamily(f iptables.Family) cmp.Option {
	return cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreSliceElements(func(s iptables.SetState) bool { return s.Family != int(f) })}
}

// parseBack reads every rule of ours and renders what was read: the text is
// the same again, its ID aside. A reject's second rule comes back as a reject
// of everything, which is two.
func parseBack(t *rapid.T, tables []iptables.Table, f iptables.Family) {
	for _, tab := range tables {
		for _, c := range tab.Chains {
			if tab.Name != "filter" || !strings.HasPrefix(c.Name, "DOCKWALL-") {
				continue
			}
			for _, text := range c.Rules {
				r, err := iptables.ParseRule(c.Name, text)
				if err != nil {
					t.Fatalf("%v", err)
				}
				one := rules.Ruleset{Chains: []rules.Chain{{Name: c.Name, Rules: []rules.Rule{r}}}}
				again := iptables.Render(one, f, iptables.Options{}).Body
				if !strings.Contains(plain(again), plain(text)+"\n") {
					t.Fatalf("saved\n%s\nparsed and rendered again\n%s", text, again)
				}
			}
		}
	}
}

// plain blanks the ID, and drops the quotes that interface names have only in
// the text that is fed.
func plain(text string) string {
	text = ruleID.ReplaceAllString(text, "dockwall:ID")
	return strings.NewReplacer(`\`, "", `"`, "").Replace(text)
}

var ruleID = regexp.MustCompile(`dockwall:[a-z2-7]{5}`)

// The pretended kernel and the real one are in the same state after each step.
func TestFakeAgrees(t *testing.T) {
	for _, v := range variants() {
		t.Run(string(v), func(t *testing.T) {
			inNamespace(t)
			end := time.Now().Add(8 * time.Second) // a case takes up to half a second
			cases := 0
			rapid.Check(t, func(t *rapid.T) {
				if time.Now().After(end) && cases >= 20 {
					return
				}
				cases++
				reset(t, v)
				o := iptables.Options{Variant: v, Guard: rapid.Bool().Draw(t, "guard"), Inline: rapid.IntRange(0, 3).Draw(t, "inline") == 0}
				fake := ruletest.NewKernel(v)
				rs := ruletest.Rulesets().Draw(t, "ruleset")
				prepareHost(t, v, fake)
				for _, p := range []func(iptables.State) plan.Plan{
					func(s iptables.State) plan.Plan { return iptables.Diff(rs, s, o) },
					func(s iptables.State) plan.Plan { return iptables.Diff(ruletest.Edited(rs).Draw(t, "edited"), s, o) },
					iptables.Remove,
				} {
					plan := p(observe(t, v))
					steps := all(plan)
					if rapid.Bool().Draw(t, "goes wrong") {
						stop := rapid.IntRange(len(plan.Prepare), len(steps)).Draw(t, "stop")
						both(t, v, fake, steps[:stop])
						both(t, v, fake, plan.Rollback)
						continue
					}
					both(t, v, fake, steps)
				}
			})
		})
	}
}

func prepareHost(t *rapid.T, v iptables.Variant, fake *ruletest.Kernel) {
	host := rapid.SampledFrom([]string{"*filter\nCOMMIT\n",
		"*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -i q\\\"uote -j ACCEPT\n-A DOCKER-USER -j RETURN\nCOMMIT\n",
		"*filter\n:DOCKER - [0:0]\n-A FORWARD -o docker0 -j DOCKER\nCOMMIT\n",
		"*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -o docker0 -j ACCEPT\n-A FORWARD -j DOCKER-USER\nCOMMIT\n"}).Draw(t, "host")
	host = strings.ReplaceAll(host, `q\"uote`, "eth9")
	var steps []plan.Step
	for _, f := range families() {
		steps = append(steps, restoring(v, f, host))
		if v == iptables.Legacy { // its tables never go away again
			steps = append(steps, restoring(v, f, "*raw\nCOMMIT\n"), restoring(v, f, "*security\nCOMMIT\n"))
		}
	}
	for _, s := range steps[:len(steps)-1] {
		if err := errors.Join(run(s), fake.Run(s)); err != nil {
			t.Fatalf("%v", err)
		}
	}
	both(t, v, fake, steps[len(steps)-1:])
}

// restoring is a step that another program could have run.
func restoring(v iptables.Variant, f iptables.Family, script string) plan.Step {
	return plan.Step{Action: plan.RestoreTable{Tool: v.Tool(f), Script: plan.Script{Body: script}}}
}

// both runs the steps on both kernels, which have to fail alike, and compares
// what they hold after some steps and at the end.
func both(t *rapid.T, v iptables.Variant, fake *ruletest.Kernel, steps []plan.Step) {
	for i, s := range steps {
		errReal, errFake := run(s), fake.Run(s)
		if (errReal == nil) != (errFake == nil) || errReal != nil && !s.MayFail {
			t.Fatalf("%s\nreal: %v\nfake: %v", s, errReal, errFake)
		}
		if i < len(steps)-1 && rapid.IntRange(0, 9).Draw(t, "look") > 0 {
			continue
		}
		pretended, err := fake.State()
		if err != nil {
			t.Fatalf("%v", err)
		}
		if d := cmp.Diff(observe(t, v), pretended, members(), cmpopts.EquateEmpty(), byName()); d != "" {
			t.Fatalf("after %s(-real +fake):\n%s", s, d)
		}
	}
}

func byName() cmp.Option {
	return cmp.Options{cmpopts.SortSlices(func(a, b iptables.Table) bool { return a.Name < b.Name }),
		cmpopts.SortSlices(func(a, b iptables.SetState) bool { return a.Name < b.Name })}
}
