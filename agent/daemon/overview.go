package daemon

import (
	"context"
	"time"

	"dockwall/agent/denied"
	"dockwall/agent/overview"
)

// countPatience is how long a request for the state waits for the kernel's counters,
// which take some processes: an operator who types agentctl status waits for it.
const countPatience = 50 * time.Millisecond

// overview is what the control socket asks for.
func (a *agent) overview() overview.Overview {
	st := a.loop.Status()
	f := overview.Facts{Snapshot: a.loop.Snapshot(), Allowed: map[string]overview.Counts{}, Denied: map[string]overview.Counts{},
		Refused: a.refused(), Failing: st.NotInForce()}
	in := a.loop.Enforced()
	if in == nil {
		return overview.Of(f) // there is nothing to count yet
	}
	f.Policy, f.Snapshot = in.Document.Policy, in.Snapshot
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
