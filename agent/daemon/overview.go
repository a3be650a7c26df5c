package daemon

import (
	"context"
	"time"

	"dockwall/agent/denied"
	"dockwall/agent/overview"
	"dockwall/agent/reconcile"
	"dockwall/rules/finding"
)

// countPatience is how long who asks for the state waits for the kernel's
// counters: they take some processes, and the answer is to be there in 100 ms.
const countPatience = 50 * time.Millisecond

// overview is what the control socket asks for.
func (a *agent) overview() overview.Overview {
	st := a.loop.Status()
	f := overview.Facts{Snapshot: a.loop.Snapshot(), Allowed: map[string]overview.Counts{}, Denied: map[string]overview.Counts{},
		Refused: a.refused(), Failing: failing(st)}
	if doc := a.doc.Load(); doc != nil {
		f.Policy = doc.Policy
	}
	if st.AppliedAt.IsZero() {
		return overview.Of(f) // there is nothing to count yet
	}
	traffic, at := a.metrics.Traffic(countPatience)
	f.CountedAt = at
	for _, t := range traffic {
		n := overview.Counts{Packets: t.Packets, Bytes: t.Bytes}
		if t.Verdict == "allow" {
			f.Allowed[t.Policy] = n
		} else {
			f.Denied[t.Policy] = n
		}
	}
	return overview.Of(f)
}

// refused counts the packets that the feed still holds by container.
func (a *agent) refused() map[string]int {
	n := map[string]int{}
	for l := range a.feed.Follow(context.Background(), denied.Query{Lines: -1, Past: true}) {
		if l.Container != "" {
			n[l.Container]++
		}
		if l.SourceContainer != "" && l.SourceContainer != l.Container {
			n[l.SourceContainer]++
		}
	}
	return n
}

// failing is what is not in force though the file says it.
func failing(st reconcile.Status) []string {
	var all []string
	for _, r := range st.Reasons {
		if r.Kind().Effect == finding.NotInForce {
			all = append(all, r.Message)
		}
	}
	return all
}
