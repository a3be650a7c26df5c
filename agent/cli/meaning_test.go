package cli_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dockwall/agent/cli/ask"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/meaning"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/ruletest"
)

// What was put into the kernel means, read back, what it meant before.
func TestMeanReadsTheKernel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		old, _ := compile.Compile(policytest.Policy(t), s)
		wanted, _ := compile.Compile(policytest.Policy(t), s)
		o := iptables.Options{Variant: iptables.NFT, Guard: true, Inline: rapid.Bool().Draw(t, "inline")}
		st := install(t, old, o)
		d, err := ask.Mean(ask.Before{State: st, Backend: iptables.New(o)}, wanted, s, policy.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		want := meaning.Compare(old, wanted, s, meaning.Options{})
		if o.Inline {
			// Sets written out tell more ports and prefixes apart, so it is
			// said in other words.
			if (len(want.Changes) == 0) != (len(d.Changes) == 0) {
				t.Fatalf("compiled %q, read back %q", told(want), told(d))
			}
			return
		}
		if diff := cmp.Diff(told(want), told(d)); diff != "" {
			t.Fatalf("compiled, then read back (-compiled +read):\n%s", diff)
		}
	})
}

// told are the changes in words, and what was left out.
func told(d meaning.Difference) []string {
	list := slices.Clone(d.LeftOut)
	for _, c := range d.Changes {
		list = append(list, c.Sentence)
	}
	slices.Sort(list)
	return list
}

// install is the kernel's state after the ruleset was put into it.
func install(t *rapid.T, rs rules.Ruleset, o iptables.Options) iptables.State {
	k := ruletest.NewKernel(iptables.NFT)
	st, err := k.State()
	if err != nil {
		t.Fatal(err)
	}
	p := iptables.Diff(rs, st, o)
	for _, steps := range [][]plan.Step{p.Prepare, p.Checks, p.Steps, p.Cleanup} {
		if err := k.RunAll(steps); err != nil {
			t.Fatal(err)
		}
	}
	if st, err = k.State(); err != nil {
		t.Fatal(err)
	}
	return st
}

// diff says it above the rules, and in JSON.
func TestDiffSaysWhoGains(t *testing.T) {
	m := newMachine()
	m.snapshot.Links[1].Addrs = []netinfo.Prefix{netip.MustParsePrefix("192.0.2.1/24")}
	m.snapshot.Normalize()
	c := newCommand(m)
	c.env.Meaning = ask.Mean
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.mustRun(t, 1, "diff", "--config", file)
	const first = "web 8080/tcp    192.0.2.128/25, 203.0.113.0/24  everyone else  published.shop (agent.hcl:4)\n"
	if !strings.Contains(c.stdout.String(), first) {
		t.Errorf("diff against an empty kernel does not say %q:\n%s", first, c.stdout.String())
	}
	c.mustRun(t, 0, "apply", "--config", file)
	rewrite(t, file, policyFrom("198.51.100.0/24"), socket)
	c.mustRun(t, 1, "diff", "--config", file, "--json")
	var d struct{ Meaning []meaning.Change }
	if err := json.Unmarshal(c.stdout.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	for i := range d.Meaning {
		d.Meaning[i].Sentence = ""
	}
	want := []meaning.Change{
		{From: []string{"203.0.113.0/24"}, Via: []string{}, To: []string{"web 8080/tcp"}, Policy: rules.ParseSubject("defaults.published"), Was: rules.ParseSubject("published.shop")},
		{Gain: true, From: []string{"198.51.100.0/24"}, Via: []string{}, To: []string{"web 8080/tcp"}, Policy: rules.ParseSubject("published.shop"),
			Position: "agent.hcl:4", Was: rules.ParseSubject("defaults.published")},
	}
	if diff := cmp.Diff(want, d.Meaning); diff != "" {
		t.Errorf("diff --json (-want +got):\n%s", diff)
	}
}

// A rule that somebody put into our chains is not dockwall's to read.
func TestMeanLeavesForeignRulesOut(t *testing.T) {
	st := iptables.State{V4: []iptables.Table{{Name: "filter", Chains: []iptables.Chain{
		{Name: "INPUT", Policy: "ACCEPT", Rules: []string{`-m comment --comment "dockwall:jump" -j DOCKWALL-INPUT`}},
		{Name: "DOCKWALL-INPUT", Policy: "-", Rules: []string{"-p icmp -j DROP"}}}}}}
	d, err := ask.Mean(ask.Before{State: st, Backend: iptables.New(iptables.Options{})}, rules.Ruleset{}, netinfo.Snapshot{}, policy.Policy{})
	want := meaning.Difference{Changes: []meaning.Change{}, Table: []meaning.Entry{}, LeftOut: []string{"1 rule in dockwall's chains that dockwall did not write"}}
	if diff := cmp.Diff(want, d); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
