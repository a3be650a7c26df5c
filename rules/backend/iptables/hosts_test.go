package iptables_test

import (
	"strings"
	"testing"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"

	"pgregory.net/rapid"
)

// hosts are what stands on a host before dockwall comes.
func hosts() map[string]string {
	return map[string]string{
		"nothing": "",
		"docker": `*filter
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:FORWARD DROP [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -i eth9 -m comment --comment "mine \"x\"" -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
`,
		"docker, jump lost": `*filter
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -o docker0 -j DOCKER
COMMIT
`,
		"docker, jump late": `*filter
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -m comment --comment "not ours" -j DOCKER-USER
COMMIT
`,
		"docker, jump twice": `*filter
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -j DOCKER-USER
COMMIT
`,
		"other": `*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
COMMIT
*security
-A FORWARD -m comment --comment "theirs" -j ACCEPT
COMMIT
`,
		"tampered": `*filter
:DOCKER-USER - [0:0]
:DOCKWALL-C0 - [0:0]
:DOCKWALL-OLD - [0:0]
-A DOCKWALL-C0 -j RETURN
-A DOCKWALL-OLD -j DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -i eth3 -j DOCKWALL-OLD
-A DOCKER-USER -i eth8 -j ACCEPT
-A DOCKER-USER -m comment --comment "dockwall:jump" -j DOCKWALL-C0
-A DOCKER-USER -m comment --comment "dockwall:jump" -j DOCKWALL-C0
-A OUTPUT -m comment --comment "dockwall:jump" -j DOCKWALL-C0
COMMIT
`,
	}
}

func newHost(t *rapid.T, v iptables.Variant, name string) *ruletest.Kernel {
	t.Helper()
	k := ruletest.NewKernel(v)
	if hosts()[name] == "" {
		return k
	}
	for _, tool := range []string{string(v), strings.Replace(string(v), "ip", "ip6", 1)} {
		if err := k.Run(plan.Step{Action: plan.RestoreTable{Tool: tool, Script: plan.Script{Body: hosts()[name]}}}); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func hostNames() []string {
	return []string{"nothing", "docker", "docker, jump lost", "docker, jump late", "docker, jump twice", "other", "tampered"}
}

func drawHost(t *rapid.T) (*ruletest.Kernel, iptables.Options, string) {
	o := iptables.Options{Variant: rapid.SampledFrom([]iptables.Variant{iptables.NFT, iptables.Legacy}).Draw(t, "variant"),
		Guard: rapid.Bool().Draw(t, "with guard"), Inline: rapid.IntRange(0, 4).Draw(t, "inline") == 0}
	name := rapid.SampledFrom(hostNames()).Draw(t, "host")
	return newHost(t, o.Variant, name), o, name
}

// addNative puts native rules of nftables into some chains of an nft host.
func addNative(t *rapid.T, k *ruletest.Kernel, o iptables.Options) {
	if o.Variant != iptables.NFT {
		return
	}
	for range rapid.IntRange(0, 2).Draw(t, "native rules") {
		r := iptables.NativeRule{Handle: rapid.Uint64Range(1, 99).Draw(t, "handle"), Conditions: []string{"ct", "bitwise", "cmp"},
			Target: rapid.SampledFrom([]string{"ACCEPT", "DROP", ""}).Draw(t, "verdict")}
		chain := rapid.SampledFrom([]string{"INPUT", "FORWARD", "DOCKER-USER"}).Draw(t, "chain")
		// A host without the table or the chain has no rule in it either.
		_ = k.AddNative(rapid.SampledFrom([]int{4, 6}).Draw(t, "family"), "filter", chain, r)
	}
}

// Whatever others put before our jumps, ours are first again after the next
// run, once, and theirs stay.
func TestJumpsComeFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, o, _ := drawHost(t)
		rs := ruletest.Rulesets().Draw(t, "ruleset")
		apply(t, k, rs, o)
		base := rapid.SampledFrom([]string{"DOCKER-USER", "INPUT"}).Draw(t, "base")
		mine := "-m comment --comment \"dockwall:jump\" -j DOCKWALL-C" + map[string]string{"DOCKER-USER": "0", "INPUT": "1"}[base]
		edit := rapid.SampledFrom([]string{"-I " + base + " 1 -i eth7 -j ACCEPT", "-D " + base + " " + mine,
			"-A " + base + " " + mine, "-I " + base + " 1 -i eth7 -j ACCEPT\n-I " + base + " 3 " + mine}).Draw(t, "edit")
		for _, tool := range []string{string(o.Variant), strings.Replace(string(o.Variant), "ip", "ip6", 1)} {
			if err := k.Run(plan.Step{Action: plan.RestoreTable{Tool: tool, Script: plan.Script{Body: "*filter\n" + edit + "\nCOMMIT\n"}}}); err != nil {
				t.Fatal(err)
			}
		}
		theirs := strings.Count(k.Save(4), "-i eth7 -j ACCEPT")
		apply(t, k, rs, o)
		for _, f := range []int{4, 6} {
			text := k.Save(f)
			text, _, _ = strings.Cut(text[strings.Index(text, "*filter"):], "COMMIT")
			_, after, _ := strings.Cut(text, "-A "+base+" ")
			first, _, _ := strings.Cut(after, "\n")
			if n := strings.Count(text, "-A "+base+" "+mine+"\n"); first != mine || n != 1 {
				t.Fatalf("after %q: %d jumps of ours, %q is first", edit, n, first)
			}
		}
		if n := strings.Count(k.Save(4), "-i eth7 -j ACCEPT"); n != theirs {
			t.Fatalf("%d rules of theirs, there were %d", n, theirs)
		}
	})
}

// Docker's jump to DOCKER-USER is there once and first, however often Docker
// and we have put it back.
func TestDockersJumpIsThereOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := iptables.Options{Variant: iptables.NFT}
		k := newHost(t, o.Variant, rapid.SampledFrom([]string{"docker", "docker, jump lost", "docker, jump twice"}).Draw(t, "host"))
		apply(t, k, ruletest.Rulesets().Draw(t, "ruleset"), o)
		for _, f := range []int{4, 6} {
			text := k.Save(f)
			_, first, _ := strings.Cut(text[strings.Index(text, "*filter"):], "-A FORWARD ")
			if n := strings.Count(text, "-A FORWARD -j DOCKER-USER\n"); n != 1 || !strings.HasPrefix(first, "-j DOCKER-USER\n") {
				t.Fatalf("%d jumps:\n%s", n, text)
			}
		}
	})
}
