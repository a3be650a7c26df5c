package daemon

import (
	"context"
	"iter"

	"dockwall/agent/control"
	"dockwall/agent/denied"
)

// newFeed makes the feed of what is refused; count is told of each packet's
// policy.
func (a *agent) newFeed(count func(policy string)) *denied.Feed {
	return denied.New(denied.Options{
		Log: a.log.Named("denied"), Snapshot: a.loop.Snapshot, Origins: a.loop.Reporting, Version: a.revision,
		Held: a.collector.Saw, Dialled: a.collector.Dialled, Count: count,
		Scan: func(container string, targets int) { a.watch.Scanned(container, targets) },
	})
}

// revision is another number whenever the rules in force, or the lines of the file
// that they come from, may be others.
func (a *agent) revision() uint64 {
	if in := a.loop.Enforced(); in != nil {
		return in.Revision
	}
	return 0
}

// follow is what the control socket asks for.
func (a *agent) follow(ctx context.Context, q control.DeniedQuery) iter.Seq[denied.Line] {
	return a.feed.Follow(ctx, denied.Query(q))
}
