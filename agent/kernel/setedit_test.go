package kernel

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/plan"
)

// someMembers are different ones of the family, with ports or without.
func someMembers(n int, six, ports bool) []rules.Member {
	rnd := rand.New(rand.NewPCG(7, 7))
	var ms []rules.Member
	for range n {
		a := netip.AddrFrom4([4]byte{10, byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())})
		if six {
			a = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(rnd.Uint32()), byte(rnd.Uint32()), 15: byte(rnd.Uint32())})
		}
		m := rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen()-rnd.IntN(24)).Masked()}
		if ports {
			m.Proto, m.Port = []rules.Protocol{netinfo.TCP, netinfo.UDP, netinfo.SCTP}[rnd.IntN(3)], uint16(rnd.Uint32())
		}
		ms = append(ms, m)
	}
	return rules.SortMembers(ms)
}

// What is done through netlink is what `ipset restore` makes of its text.
func TestEditSetsDoesWhatIpsetDoes(t *testing.T) {
	for _, typ := range []rules.SetType{rules.HashNet, rules.HashNetPort} {
		for _, family := range []string{"inet", "inet6"} {
			t.Run(string(typ)+" "+family, func(t *testing.T) {
				k := inNamespace(t)
				ms := someMembers(6000, family == "inet6", typ == rules.HashNetPort)
				ops := func(a, b string) []plan.SetOp {
					return []plan.SetOp{{Verb: plan.AddMembers, Set: a, Members: ms}, {Verb: plan.DeleteMembers, Set: a, Members: ms[1000:3500]},
						{Verb: plan.AddMembers, Set: b, Members: ms[:1]}, {Verb: plan.SwapSets, Set: a, To: b}, {Verb: plan.DestroySet, Set: b}}
				}
				for _, name := range []string{"n1", "n2", "t1", "t2"} {
					sh(t, "ipset create "+name+" "+string(typ)+" family "+family)
				}
				must(t, k.step(context.Background(), plan.Step{Action: plan.EditSets{Ops: ops("n1", "n2")}}))
				must(t, k.step(context.Background(), plan.Step{Action: plan.RestoreSets{Script: plan.EditSets{Ops: ops("t1", "t2")}.Script()}}))
				list := func(name string) string {
					return strings.ReplaceAll(sh(t, "ipset save "+name+" | grep ^add | sort"), " "+name+" ", " ")
				}
				if d := cmp.Diff(list("t1"), list("n1")); d != "" || list("n1") == "" {
					t.Errorf("-ipset +netlink\n%s", d)
				}
			})
		}
	}
}

func TestEditSetsTellsWhatWasRefused(t *testing.T) {
	k := inNamespace(t)
	sh(t, "ipset create few hash:net maxelem 2; ipset add few 192.0.2.1")
	one := func(p string) []rules.Member { return []rules.Member{{Prefix: netip.MustParsePrefix(p)}} }
	many := someMembers(10, false, false)
	for _, c := range []struct {
		name  string
		op    plan.SetOp
		exist bool
		want  string // "": it is done
	}{
		{"there already", plan.SetOp{Verb: plan.AddMembers, Set: "few", Members: one("192.0.2.1/32")}, false, "few"},
		{"there already, which is fine", plan.SetOp{Verb: plan.AddMembers, Set: "few", Members: one("192.0.2.1/32")}, true, ""},
		{"gone already", plan.SetOp{Verb: plan.DeleteMembers, Set: "few", Members: one("192.0.2.2/32")}, false, "few"},
		{"gone already, which is fine", plan.SetOp{Verb: plan.DeleteMembers, Set: "few", Members: one("192.0.2.2/32")}, true, ""},
		{"no such set", plan.SetOp{Verb: plan.AddMembers, Set: "none", Members: one("192.0.2.1/32")}, true, "none"},
		{"too many", plan.SetOp{Verb: plan.AddMembers, Set: "few", Members: many}, true, "few"},
		{"of the other family", plan.SetOp{Verb: plan.AddMembers, Set: "few", Members: one("2001:db8::/32")}, true, "2001:db8::/32"},
		{"destroying nothing", plan.SetOp{Verb: plan.DestroySet, Set: "none"}, false, "none"},
	} {
		s := plan.Step{Action: plan.EditSets{Exist: c.exist, Ops: []plan.SetOp{c.op}}, Why: "testing"}
		err := k.step(context.Background(), s)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
		s.MayFail = true
		if err := k.step(context.Background(), s); err != nil {
			t.Errorf("%s, and it may fail: %v", c.name, err)
		}
	}
}
