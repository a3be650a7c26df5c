package kernel

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/ruletest"

	"github.com/google/go-cmp/cmp"
)

// hosts are what people and Docker have in their kernels.
func hosts(v iptables.Variant) map[string]string {
	out := map[string]string{
		"docker": "*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\nCOMMIT\n",
		"odd comments": "*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -m comment --comment \"a \\\" b\\\\ 'c' dockwall:jump\" -j ACCEPT\n" +
			"-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -i \"a\\\"b\" -j ACCEPT\n-A DOCKER-USER -j LOG --log-prefix \"-j DOCKWALL-X \"\nCOMMIT\n",
		"guarded": "*filter\nCOMMIT\n*security\n-A FORWARD -m comment --comment theirs -j ACCEPT\nCOMMIT\n",
	}
	if v == iptables.NFT { // legacy's tables never go away
		out["nothing"] = ""
	}
	return out
}

// Remove gives back what iptables-save printed before, byte for byte, tables
// that were not there included.
func TestRemove(t *testing.T) {
	for _, v := range variants() {
		for name, text := range hosts(v) {
			t.Run(string(v)+"/"+name, func(t *testing.T) {
				inNamespace(t)
				for _, f := range families() {
					if text != "" {
						script(t, []string{tool(v, f, "restore"), "--noflush"}, text)
					}
					if v == iptables.Legacy {
						script(t, []string{tool(v, f, "restore"), "--noflush"}, "*raw\nCOMMIT\n*security\nCOMMIT\n")
					}
				}
				if name == "odd comments" {
					script(t, []string{string(v), "-A", "FORWARD", "-m", "comment", "--comment", "x\nCOMMIT\n*nat\n\" -j ACCEPT", "-j", "DROP"}, "")
				}
				applyAndRemove(t, v)
			})
		}
	}
}

func applyAndRemove(t *testing.T, v iptables.Variant) {
	before := everything(t, v)
	for seed := range 6 {
		rs := ruletest.Rulesets().Example(seed)
		o := iptables.Options{Variant: v, Guard: seed%2 == 0, Inline: seed%3 == 0}
		if err := runAll(all(iptables.Diff(rs, observe(t, v), o))); err != nil {
			t.Fatal(err)
		}
		if p := iptables.Diff(rs, observe(t, v), o); !p.Empty() {
			t.Fatalf("not settled: %v", p.Changes)
		}
		if seed == 2 {
			continue // the next one comes on top
		}
		if err := runAll(all(iptables.Remove(observe(t, v)))); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, everything(t, v)); d != "" {
			t.Fatalf("(-before +after):\n%s", d)
		}
	}
}

// A FORWARD jump that was lost or pushed down is put right, and ours goes
// again when Docker's is back.
func TestForwardJump(t *testing.T) {
	for _, v := range variants() {
		t.Run(string(v), func(t *testing.T) {
			inNamespace(t)
			rs := rules.Ruleset{Chains: []rules.Chain{{Name: "DOCKWALL-F"}}, Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-F"}}}
			o := iptables.Options{Variant: v}
			const own = `-m comment --comment "dockwall:jump" -j DOCKER-USER`
			for i, c := range []struct{ do, want string }{
				{"-F FORWARD", own},                             // no Docker here
				{"-N DOCKER", "-j DOCKER-USER"},                 // Docker looks for its own
				{"-D FORWARD -j DOCKER-USER", "-j DOCKER-USER"}, // and had lost it
				{"-I FORWARD 1 -i eth7 -j ACCEPT", own + "|-i eth7 -j ACCEPT|-j DOCKER-USER"}, // pushed down
				{"-A FORWARD -o eth7 -j DROP", own + "|-i eth7 -j ACCEPT|-j DOCKER-USER|-o eth7 -j DROP"},
				{"-D FORWARD -i eth7 -j ACCEPT", "-j DOCKER-USER|-o eth7 -j DROP"}, // ours is not needed any more
				{"-D FORWARD -o eth7 -j DROP", "-j DOCKER-USER"},
				{"-I FORWARD 1 -i eth7 -j DROP", "-i eth7 -j DROP|-j DOCKER-USER"}, // harmless
				{"-D FORWARD -i eth7 -j DROP", "-j DOCKER-USER"},
			} {
				script(t, []string{tool(v, 4, "restore"), "--noflush"}, "*filter\n"+c.do+"\nCOMMIT\n")
				if err := runAll(all(iptables.Diff(rs, observe(t, v), o))); err != nil {
					t.Fatal(err)
				}
				var got []string
				for l := range strings.SplitSeq(save(t, v, iptables.V4), "\n") {
					if r, ok := strings.CutPrefix(l, "-A FORWARD "); ok {
						got = append(got, r)
					}
				}
				if d := cmp.Diff(strings.Split(c.want, "|"), got); d != "" {
					t.Fatalf("%d, after %q (-want +got):\n%s", i, c.do, d)
				}
			}
		})
	}
}

// Every rate is printed as it was written, so that a limit never looks changed.
func TestRates(t *testing.T) {
	for _, v := range variants() {
		t.Run(string(v), func(t *testing.T) {
			inNamespace(t)
			c := rules.Chain{Name: "DOCKWALL-R"}
			for rate := 1; rate <= rules.MaxRate; rate += 1 + rate/100 {
				c.Rules = append(c.Rules, rules.Rule{Match: []rules.Match{rules.Limit{Rate: rate, Burst: 5}}, Verdict: rules.Verdict{Kind: rules.Log}})
			}
			settles(t, v, rules.Ruleset{Chains: []rules.Chain{c}, Hooks: []rules.Hook{{Base: rules.BaseInput, Chain: c.Name}}})
		})
	}
}

// Every length and shape of address is spelt as the C library spells it.
func TestAddresses(t *testing.T) {
	for _, v := range variants() {
		t.Run(string(v), func(t *testing.T) {
			inNamespace(t)
			c := rules.Chain{Name: "DOCKWALL-A"}
			for _, a := range []string{"203.0.113.255", "2001:db8:0:1:0:1:0:1", "::ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1:2", "1::", "64:ff9b::1.2.3.4", "0:0:0:1::1", "1:0:0:2:3:0:0:4"} {
				addr := netip.MustParseAddr(a)
				for bits := range addr.BitLen() + 1 {
					c.Rules = append(c.Rules, rules.Rule{Match: []rules.Match{rules.Source{Prefix: netip.PrefixFrom(addr, bits).Masked()}}, Verdict: rules.Verdict{Kind: rules.Return}})
				}
			}
			settles(t, v, rules.Ruleset{Chains: []rules.Chain{c}, Hooks: []rules.Hook{{Base: rules.BaseInput, Chain: c.Name}}})
		})
	}
}

func settles(t *testing.T, v iptables.Variant, rs rules.Ruleset) {
	t.Helper()
	if err := rs.Validate(); err != nil {
		t.Fatal(err)
	}
	o := iptables.Options{Variant: v}
	if err := runAll(all(iptables.Diff(rs, observe(t, v), o))); err != nil {
		t.Fatal(err)
	}
	for _, c := range iptables.Diff(rs, observe(t, v), o).Changes {
		t.Errorf("IPv%d: printed is not rendered:\n%s", c.Family, cmp.Diff(c.New, c.Old))
	}
}

// nftables refuses what Validate calls too deep, and takes one chain less.
func TestDepth(t *testing.T) {
	inNamespace(t)
	for _, depth := range []int{rules.MaxDepth, rules.MaxDepth + 1} {
		rs := rules.Ruleset{Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-0"}}}
		for i := range depth {
			c := rules.Chain{Name: fmt.Sprintf("DOCKWALL-%d", i)}
			if i < depth-1 {
				c.Rules = []rules.Rule{{Verdict: rules.Verdict{Kind: rules.Goto, Chain: fmt.Sprintf("DOCKWALL-%d", i+1)}}}
			}
			rs.Chains = append(rs.Chains, c)
		}
		invalid := rs.Validate()
		refused := runAll(all(iptables.Diff(rs, observe(t, iptables.NFT), iptables.Options{Variant: iptables.NFT})))
		if (invalid == nil) != (refused == nil) || (invalid == nil) != (depth == rules.MaxDepth) {
			t.Errorf("depth %d: Validate says %v, the kernel %v", depth, invalid, refused)
		}
	}
}
