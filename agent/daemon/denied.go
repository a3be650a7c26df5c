package daemon

import (
	"context"
	"iter"

	"dockwall/agent/control"
	"dockwall/agent/denied"
	"dockwall/rules"
	"dockwall/rules/compile"
)

// newFeed makes the feed of what is refused; count is told of each packet's
// policy.
func (a *agent) newFeed(count func(policy string)) *denied.Feed {
	return denied.New(denied.Options{
		Log: a.log.Named("denied"), Snapshot: a.loop.Snapshot, Origins: a.origins, Version: a.revision,
		Held: a.collector.Saw, Count: count,
	})
}

// revision is a number that changes whenever the rules, or the lines of the file
// that they come from, may have changed.
func (a *agent) revision() uint64 { return a.loads.Load() + a.loop.Status().Generation }

// origins are those of the rules that the loop wants now.
func (a *agent) origins() []rules.Origin {
	doc := a.doc.Load()
	if doc == nil {
		return nil
	}
	rs, _ := compile.Compile(doc.Policy, a.loop.Snapshot())
	var all []rules.Origin
	for _, c := range rs.Chains {
		for _, r := range c.Rules {
			if r.Verdict.Kind == rules.Log {
				all = append(all, r.Origin)
			}
		}
	}
	return all
}

// follow is what the control socket asks for.
func (a *agent) follow(ctx context.Context, q control.DeniedQuery) iter.Seq[denied.Line] {
	return a.feed.Follow(ctx, denied.Query(q))
}
