package iptables_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"

	"pgregory.net/rapid"
)

func members(prefixes ...string) []rules.Member {
	var out []rules.Member
	for _, p := range prefixes {
		out = append(out, rules.Member{Prefix: netip.MustParsePrefix(p)})
	}
	return rules.SortMembers(out)
}

// lookup is a ruleset of one rule for each set, which looks at it.
func lookup(sets ...rules.Set) rules.Ruleset {
	d := []rules.Dim{rules.Src, rules.Dst}
	c := rules.Chain{Name: "DOCKWALL-F"}
	for _, s := range sets {
		c.Rules = append(c.Rules, rules.Rule{Match: []rules.Match{rules.InSet{Set: s.Name, Dims: d[:s.Type.Dims()]}}, Verdict: rules.Verdict{Kind: rules.Drop}})
	}
	return rules.Ruleset{Sets: sets, Chains: []rules.Chain{c}, Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-F"}}}
}

func TestSetText(t *testing.T) {
	s := rules.Set{Name: "all", Type: rules.HashNetPort, Members: rules.SortMembers([]rules.Member{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Proto: netinfo.TCP, Port: 80},
		{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Proto: netinfo.UDP, Port: 53},
		{Prefix: netip.MustParsePrefix("::/0"), Proto: netinfo.TCP, Port: 80}})}
	for f, want := range map[iptables.Family]string{
		iptables.V4: `create dockwall4-all hash:net,port family inet hashsize 64 maxelem 65536
add dockwall4-all 0.0.0.0/1,tcp:80
add dockwall4-all 128.0.0.0/1,tcp:80
add dockwall4-all 192.0.2.1,udp:53
`, iptables.V6: `create dockwall6-all hash:net,port family inet6 hashsize 64 maxelem 65536
add dockwall6-all ::/1,tcp:80
add dockwall6-all 8000::/1,tcp:80
`} {
		if got := iptables.SetText(lookup(s), f); got.Body != want || len(got.Lines) != strings.Count(want, "\n") {
			t.Errorf("SetText(%d) =\n%s\nwant\n%s", f, got.Body, want)
		}
	}
}

// A set that another version left with another type is got rid of in two
// rounds, and there is never a moment without rules.
func TestTypeClash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := iptables.Options{Variant: iptables.NFT}
		k := ruletest.NewKernel(o.Variant)
		apply(t, k, lookup(rules.Set{Name: "x", Type: rules.HashNet, InPlace: true, Members: members("10.0.0.0/8")}), o)
		rs := lookup(rules.Set{Name: "x", Type: rules.HashNetPort, InPlace: true})
		for round := range 2 {
			for _, s := range all(iptables.Diff(rs, state(t, k), o)) {
				if err := k.Run(s); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(k.Save(4), "--match-set dockwall4-") {
					t.Fatalf("round %d: no rule after %s", round, s.Why)
				}
			}
		}
		if p := iptables.Diff(rs, state(t, k), o); !p.Empty() || !strings.Contains(k.Save(4), "--match-set dockwall4-x ") {
			t.Fatalf("not settled after two rounds:\n%s%s", k.Save(4), p)
		}
	})
}

// A set that is too small, was filled by somebody or is half a set is replaced
// whole, while rules look at it.
func TestSetRepair(t *testing.T) {
	for name, inPlace := range map[string]bool{"in place": true, "content": false} {
		for damage, text := range map[string]string{
			"member gone":   "del dockwall4-x 10.0.0.0/8\n",
			"member added":  "add dockwall4-x 11.0.0.0/8\n",
			"other members": "flush dockwall4-x\nadd dockwall4-x 12.0.0.0/8\n",
			"temporary":     "create dockwall4-t-zzz hash:net family inet hashsize 64 maxelem 65536\n",
		} {
			t.Run(name+", "+damage, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					o := iptables.Options{Variant: iptables.Legacy}
					k := ruletest.NewKernel(o.Variant)
					rs := lookup(rules.Set{Name: "x", Type: rules.HashNet, InPlace: inPlace, Members: members("10.0.0.0/8")})
					apply(t, k, rs, o)
					want := k.SaveSets()
					if err := k.Run(plan.Step{Action: plan.RestoreSets{Script: plan.Script{Body: text}}}); err != nil {
						t.Fatal(err)
					}
					if iptables.Diff(rs, state(t, k), o).Empty() {
						t.Fatal("the damage is not seen")
					}
					apply(t, k, rs, o)
					if got := k.SaveSets(); got != want {
						t.Fatalf("sets are\n%s\nwant\n%s", got, want)
					}
				})
			})
		}
	}
}

// What a run that was killed has made and filled in part has its name already, and
// is whole before any rule looks at it.
func TestHalfMadeSetsAreWholeBeforeTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := iptables.Options{Variant: iptables.NFT}
		k := ruletest.NewKernel(o.Variant)
		rs := lookup(rules.Set{Name: "a", Type: rules.HashNet, InPlace: true, Members: members("10.0.0.0/8", "11.0.0.0/8")},
			rules.Set{Name: "b", Type: rules.HashNet, Members: members("12.0.0.0/8", "13.0.0.0/8")},
			rules.Set{Name: "c", Type: rules.HashNet, InPlace: true, Members: members("14.0.0.0/8", "2001:db8::/32")})
		old := lookup(rules.Set{Name: "c", Type: rules.HashNet, InPlace: true, Members: members("15.0.0.0/8")})
		apply(t, k, old, o)
		first := iptables.Diff(rs, state(t, k), o)
		var made []string // one line of the preparation each
		for _, s := range first.Prepare {
			text := s.Script().Body
			if edit, ok := s.Action.(plan.EditSets); ok {
				text = edit.Script().Body
			}
			made = slices.AppendSeq(made, strings.Lines(text))
		}
		upTo := rapid.IntRange(0, len(made)).Draw(t, "killed after")
		half := strings.Join(made[:upTo], "") + rapid.SampledFrom([]string{"", "", "add dockwall4-a 99.0.0.0/8\n"}).Draw(t, "and besides")
		if half != "" {
			err := k.Run(plan.Step{Action: plan.RestoreSets{Script: plan.Script{Body: half}}})
			if err != nil && !strings.Contains(half, "99.0") { // there may be no such set yet
				t.Fatal(err)
			}
		}
		p := iptables.Diff(rs, state(t, k), o)
		if err := k.RunAll(p.Prepare); err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Steps {
			if err := k.Run(s); err != nil {
				t.Fatal(err)
			}
			for _, x := range state(t, k).Sets {
				if strings.HasSuffix(x.Name, "-a") || strings.HasSuffix(x.Name, "-b") {
					want := 2
					if x.Family == 6 {
						want = 0
					}
					if strings.Contains(k.Save(4), x.Name+" ") && len(x.Members) != want {
						t.Fatalf("after %q rules look at %s, which has %d members:\n%s", s.Why, x.Name, len(x.Members), p)
					}
				}
			}
		}
		if err := k.RunAll(p.Cleanup); err != nil {
			t.Fatal(err)
		}
		if rest := iptables.Diff(rs, state(t, k), o); !rest.Empty() {
			t.Fatalf("not settled:\n%s", rest)
		}
	})
}

// An in-place set that outgrows its room is replaced by a larger one.
func TestSetGrows(t *testing.T) {
	o := iptables.Options{Variant: iptables.NFT}
	var many []rules.Member
	for i := range 65537 {
		many = append(many, rules.Member{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)})
	}
	k := ruletest.NewKernel(o.Variant)
	for i, ms := range [][]rules.Member{many[:65000], many} {
		s, err := k.State()
		if err != nil {
			t.Fatal(err)
		}
		rs := lookup(rules.Set{Name: "x", Type: rules.HashNet, InPlace: true, Members: ms})
		if err := k.RunAll(all(iptables.Diff(rs, s, o))); err != nil {
			t.Fatal(err)
		}
		s, _ = k.State()
		if p := iptables.Diff(rs, s, o); !p.Empty() {
			t.Fatalf("round %d is not settled", i)
		}
		if got, want := s.Sets[0].MaxElem, 65536<<i; got != want {
			t.Errorf("round %d: maxelem %d, want %d", i, got, want)
		}
	}
}

func TestParseSets(t *testing.T) {
	got, err := iptables.ParseSets(`create other hash:ip family inet
add other 1.2.3.4
create dockwall4-a hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1
add dockwall4-a 10.0.0.0/8
add dockwall4-a 1.2.3.4
create dockwall6-b hash:net,port family inet6 hashsize 64 maxelem 65536
add dockwall6-b 2001:db8::/32,tcp:80
create dockwall4-c hash:net family inet hashsize 1024 maxelem 65536 timeout 5
add dockwall4-c 1.2.3.4 timeout 3
`)
	if err != nil {
		t.Fatal(err)
	}
	want := "[{dockwall4-a hash:net 4 65536 false [1.2.3.4 10.0.0.0/8]} " +
		"{dockwall6-b hash:net,port 6 65536 false [2001:db8::/32,tcp:80]} {dockwall4-c hash:net 4 65536 true []}]"
	if s := fmt.Sprint(got); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}
