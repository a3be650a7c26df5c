package published_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"dockwall/rules/policy/policytest"
	"dockwall/rules/published"
)

// The index gives the same answers as At, whatever the host.
func TestIndexIsAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		q := policytest.Question(t, s)
		at := netip.AddrPortFrom(q.Dest, q.Port)
		byClaim := cmpopts.SortSlices(func(a, b published.Claim) bool { return a.Container.Name < b.Container.Name })
		same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		if d := cmp.Diff(published.At(&s, q.Proto, at), published.New(&s).At(q.Proto, at), byClaim, same); d != "" {
			t.Fatalf("%s (-At +Index):\n%s", at, d)
		}
	})
}
