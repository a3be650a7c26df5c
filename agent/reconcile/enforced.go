package reconcile

import (
	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules"
)

// Enforced is what is in force: the document and the facts of the last pass that
// succeeded, and what they came to in the kernel. A file that failed, or a pass that
// did, leaves it as it is. All that shows what is in force reads it.
//
// It is shared between goroutines and is not written to.
type Enforced struct {
	enforce.Enforced
	Document *config.Document
	Snapshot netinfo.Snapshot
	// Revision is another number whenever the document or the rules may be others.
	Revision uint64
}

// Enforced returns what is in force; nil if no pass has succeeded yet.
func (l *Loop) Enforced() *Enforced { return l.enforced.Load() }

// Reporting returns the origins of the rules in force that report packets.
func (l *Loop) Reporting() []rules.Origin {
	in := l.Enforced()
	if in == nil {
		return nil
	}
	var all []rules.Origin
	for _, c := range in.Ruleset.Chains {
		for _, r := range c.Rules {
			if r.Verdict.Kind == rules.Log {
				all = append(all, r.Origin)
			}
		}
	}
	return all
}

// Rendered returns the rules in force of a family, 4 or 6, as iptables-restore reads
// them.
func (in *Enforced) Rendered(family int) string {
	for _, t := range in.Backend.Texts(in.Ruleset) {
		if t.Family == family || t.Family == 0 {
			return t.Rules
		}
	}
	return ""
}

// publishEnforced is called after each pass.
func (l *Loop) publishEnforced(r result) {
	in, ok := l.o.Target.Enforced()
	if !ok || r.err != nil || l.cycle.doc == nil {
		return
	}
	next := &Enforced{Enforced: in, Document: l.cycle.doc, Snapshot: l.cycle.snapshot, Revision: 1}
	if before := l.enforced.Load(); before != nil {
		next.Revision = before.Revision
		if r.Changed || before.Document != next.Document {
			next.Revision++
		}
	}
	l.enforced.Store(next)
}
