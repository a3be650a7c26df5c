package kernel

import (
	"fmt"
	"net/netip"
	"testing"

	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// The thorough look sees what the cheap one does not, and nothing where nothing
// was done.
func TestThoroughProbe(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		cheap  bool
		all    bool
	}{
		"nothing":                            {"true", false, false},
		"a member in another one's place":    {"ipset add $SET 198.51.100.0/24; ipset del $SET 192.0.2.0/24", false, true},
		"the same, and back":                 {"ipset add $SET 198.51.100.0/24; ipset del $SET 198.51.100.0/24", false, false},
		"one member more":                    {"ipset add $SET 198.51.100.0/24", true, true},
		"a set of ours that nobody asked of": {"ipset create dockwall4-x hash:net", false, true},
		"somebody's own set":                 {"ipset create x hash:net", false, false},
		"a rule":                             {"iptables-nft -D DOCKER-USER 1", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := inNamespace(t)
			rs := small()
			apply(t, k, rs, backend.Options{Variant: backend.NFT, Guard: true})
			st, err := k.Observe(t.Context(), backend.NFT)
			must(t, err)
			sh(t, "SET=dockwall4-"+rs.Sets[0].Name+"; "+c.script)
			for range 2 {
				if changed, err := k.Probe(t.Context(), st, false); changed != c.cheap || err != nil {
					t.Errorf("the cheap look: %v, %v", changed, err)
				}
				if changed, err := k.Probe(t.Context(), st, true); changed != c.all || err != nil {
					t.Errorf("the thorough look: %v, %v", changed, err)
				}
			}
		})
	}
}

// Many members are read at every third thorough look only; that one more is
// there each tells. The cheap look sees that they are gone, and does not count them.
func TestThoroughProbeOfManyMembers(t *testing.T) {
	k := inNamespace(t)
	rs := small()
	for i := range 5 * readMembers / 2 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		rs.Sets[0].Members = append(rs.Sets[0].Members, rules.Member{Prefix: netip.PrefixFrom(a, 32)})
	}
	rs.Sets[0].Members = rules.SortMembers(rs.Sets[0].Members)
	apply(t, k, rs, backend.Options{Variant: backend.NFT})
	st, err := k.Observe(t.Context(), backend.NFT)
	must(t, err)
	looks := func(want ...bool) {
		t.Helper()
		for i, want := range want {
			if changed, err := k.Probe(t.Context(), st, true); changed != want || err != nil {
				t.Errorf("look %d: %v, %v", i, changed, err)
			}
		}
	}
	edit := func(verb plan.SetVerb, m rules.Member) {
		must(t, k.step(t.Context(), plan.Step{Action: plan.EditSets{Ops: []plan.SetOp{{Verb: verb, Set: "dockwall4-" + rs.Sets[0].Name, Members: []rules.Member{m}}}}}))
	}
	looks(false, false, false)
	one, other := rs.Sets[0].Members[7], rs.Sets[0].Members[7]
	other.Prefix = netip.MustParsePrefix("198.51.100.0/24")
	k.digests["dockwall4-"+rs.Sets[0].Name]++ // as if read long ago
	looks(false, false, false)
	edit("add", other)
	looks(true)
	edit("del", one)
	looks(false, true)
	cheap := func(want bool) {
		t.Helper()
		if changed, err := k.Probe(t.Context(), st, false); changed != want || err != nil {
			t.Errorf("the cheap look: %v, %v, want %v", changed, err, want)
		}
	}
	edit("add", one)
	cheap(false)
	sh(t, "ipset flush dockwall4-"+rs.Sets[0].Name)
	cheap(true)
}

// An edit of our own that somebody undoes is seen, though the members are those
// that were once read.
func TestThoroughProbeAfterEdit(t *testing.T) {
	k := inNamespace(t)
	rs := small()
	apply(t, k, rs, backend.Options{Variant: backend.NFT, Guard: true})
	st, err := k.Observe(t.Context(), backend.NFT)
	must(t, err)
	next := backend.Share(st, rs)
	p, ok := backend.Move([]rules.Move{{Set: "h-x", Come: someMembers(1, false, true)}}, next)
	if !ok {
		t.Fatal("it does not move")
	}
	must(t, k.Run(t.Context(), p))
	if changed, err := k.Probe(t.Context(), next, true); changed || err != nil {
		t.Errorf("after the edit: %v, %v", changed, err)
	}
	must(t, k.Run(t.Context(), plan.Plan{Steps: p.Rollback}))
	if changed, err := k.Probe(t.Context(), next, true); !changed || err != nil {
		t.Errorf("after it was undone: %v, %v", changed, err)
	}
}

// Of many sets some are looked at each time. Who empties all is seen at once, who
// empties one soon.
func TestProbeOfManySets(t *testing.T) {
	k := inNamespace(t)
	rs := small()
	for i := range 150 {
		name := fmt.Sprintf("m-%d", i)
		rs.Sets = append(rs.Sets, rules.Set{Name: name, Type: rules.HashNet, InPlace: true, Members: []rules.Member{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}}})
		rs.Chains[1].Rules = append(rs.Chains[1].Rules, rules.Rule{Match: []rules.Match{rules.InSet{Set: name, Dims: []rules.Dim{rules.Src}}}, Verdict: rules.Verdict{Kind: rules.Drop}, Origin: rules.Origin{Subject: rules.Subject{Kind: "published", Name: "a"}}})
	}
	st := apply(t, k, rs, backend.Options{Variant: backend.NFT})
	if len(st.Sets) < 300 {
		t.Fatalf("there are %d sets", len(st.Sets))
	}
	full := 0
	for _, s := range st.Sets {
		full += min(len(s.Members), 1)
	}
	each := comparisons / len(st.Sets)
	most := (full + each - 1) / each
	if each < 2*probedSets || most < 5 {
		t.Fatalf("%d sets, %d of them with members, are too many or too few", len(st.Sets), full)
	}
	rounds := func() int {
		for n := 1; n <= 2*most; n++ {
			changed, err := k.Probe(t.Context(), st, false)
			must(t, err)
			if changed {
				return n
			}
		}
		return 0
	}
	if n := rounds(); n != 0 {
		t.Fatalf("probe %d sees a change that there was not", n)
	}
	for _, name := range []string{"m-0", "m-77", "m-149"} {
		sh(t, "ipset flush dockwall4-"+name)
		if n := rounds(); n == 0 || n > most {
			t.Errorf("that %s was emptied probe %d sees, want one of the first %d", name, n, most)
		}
		if changed, err := k.Probe(t.Context(), st, true); !changed || err != nil {
			t.Errorf("the thorough look after %s was emptied: %v, %v", name, changed, err)
		}
		sh(t, "ipset add dockwall4-"+name+" 192.0.2.0/24")
	}
	sh(t, "ipset add dockwall4-m-5 198.51.100.0/24")
	if n := rounds(); n != 0 {
		t.Errorf("probe %d sees a further member of one of many sets; only a thorough look is to", n)
	}
	if changed, err := k.Probe(t.Context(), st, true); !changed || err != nil {
		t.Errorf("the thorough look after a member came: %v, %v", changed, err)
	}
	sh(t, "ipset add dockwall4-m-0 203.0.113.0/24; ipset del dockwall4-m-0 192.0.2.0/24")
	if n := rounds(); n == 0 || n > most {
		t.Errorf("that one member stands in another's place probe %d sees, want one of the first %d", n, most)
	}
	sh(t, "ipset add dockwall4-m-0 192.0.2.0/24")
	sh(t, "for s in $(ipset list -n | grep ^dockwall4-m); do ipset flush $s; done")
	if n := rounds(); n != 1 {
		t.Errorf("that all were emptied probe %d sees, want the first", n)
	}
}
