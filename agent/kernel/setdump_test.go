package kernel

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
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
		must(t, k.step(context.Background(), plan.Step{Action: plan.EditSets{Ops: []plan.SetOp{{Verb: plan.AddMembers, Set: set, Members: ms}}}}))
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
