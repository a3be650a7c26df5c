package dataplane

import (
	"context"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/rules"
	backend "dockwall/rules/iptables"
	"dockwall/rules/plan"
)

// What is read through netlink is what `ipset save` prints, whatever somebody
// has done to a set of ours.
func TestDumpIsSave(t *testing.T) {
	k := inNamespace(t)
	sh(t, `
ipset create theirs hash:ip
ipset create dockwall4-empty hash:net
ipset create dockwall4-nets hash:net maxelem 100000
ipset create dockwall6-nets hash:net family inet6
ipset create dockwall4-ports hash:net,port
ipset create dockwall4-timed hash:net timeout 600
ipset create dockwall4-counted hash:net counters
ipset create dockwall4-nomatch hash:net
ipset create dockwall4-other list:set
ipset add dockwall4-timed 10.0.0.0/8
ipset add dockwall4-nomatch 10.0.0.0/8 nomatch
ipset add dockwall4-counted 10.0.0.0/8
ipset add dockwall4-other theirs`)
	for set, ms := range map[string][]rules.Member{"dockwall4-nets": someMembers(20000, false, false), "dockwall6-nets": someMembers(3000, true, false),
		"dockwall4-ports": someMembers(3000, false, true)} {
		must(t, k.step(context.Background(), plan.Step{Argv: []string{plan.EditSets}, Sets: []plan.SetOp{{Verb: "add", Set: set, Members: ms}}}))
	}
	want, err := backend.ParseSets(sh(t, "ipset save"))
	must(t, err)
	got, err := k.sets()
	must(t, err)
	equal := cmp.Comparer(func(a, b rules.Member) bool { return a == b })
	if d := cmp.Diff(want, got, equal, cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b backend.SetState) bool { return a.Name < b.Name })); d != "" {
		t.Errorf("-ipset +netlink\n%.3000s", d)
	}
}

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
// there each tells.
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
	edit := func(verb string, m rules.Member) {
		must(t, k.step(t.Context(), plan.Step{Argv: []string{plan.EditSets}, Sets: []plan.SetOp{{Verb: verb, Set: "dockwall4-" + rs.Sets[0].Name, Members: []rules.Member{m}}}}))
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
