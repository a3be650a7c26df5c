package enforce

import (
	"time"

	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/plan"
)

// latchOpen is logged if the latch cannot be shut.
const latchOpen = "the latch stays open: if another program flushes every table, published ports are open until the rules are restored"

const (
	// SettleTime is how long the latch stays tight after rules were put back: many
	// times what docker-proxy takes from accepting a connection to dialling the
	// container.
	SettleTime = 200 * time.Millisecond
	// looseInterval is how long a latch that could not be shut is left alone.
	looseInterval = 10 * time.Second
)

// exposed reports whether packets to the host met no rule before a repair, in one
// family at least: rules are missing in filter and in the guard's table, or there is
// no guard. Otherwise the one holds while the other is repaired.
func exposed(p plan.Plan, guard bool) bool {
	var filter, repeated [7]bool // by family
	for _, ch := range p.Changes {
		if ch.Kind == plan.ChangeChain || ch.Kind == plan.ChangeJump && ch.Chain == string(rules.BaseInput) {
			switch ch.Table {
			case "filter":
				filter[ch.Family] = true
			case "security":
				repeated[ch.Family] = true
			}
		}
	}
	return filter[4] && (repeated[4] || !guard) || filter[6] && (repeated[6] || !guard)
}

// tighten is called before rules are put back without which the host was exposed.
func (t *writer) tighten() {
	if t.belief.latch.shut == nil {
		return
	}
	t.belief.latch.settling = true
	t.close(*t.belief.latch.shut)
}

// Loosen is to be called SettleTime after a pass that Tightened the latch.
func (t *writer) Loosen() {
	t.belief.latch.settling = false
	if t.belief.latch.shut != nil {
		t.close(*t.belief.latch.shut)
	}
}

// shut is called once the rules that stamp packets are in force. The latch goes
// with the process that shuts it, so one that ends now shuts none.
func (t *writer) shut() {
	if t.o.Latch != nil && t.backend.chosen.Limits().Owned {
		t.lift() // no program can flush the rules
		return
	}
	if t.o.Latch != nil && !t.o.Once && !t.lacks(rules.Stamp) {
		l := compile.Latch(t.policy, t.snapshot)
		l.LeftOut = t.backend.chosen.Limits().LeftOut
		t.close(l)
	}
}

// tryLatch shuts a latch that could not be shut before: an agent that is being
// replaced may have had it still.
func (t *writer) tryLatch() {
	if t.belief.latch.why != nil && time.Since(t.belief.latch.at) > looseInterval {
		t.shut()
	}
}

func (t *writer) close(l rules.Latch) {
	b := &t.belief.latch
	l.Tight = b.settling
	err := t.o.Latch.Shut(l)
	if err != nil && b.why == nil {
		t.o.Log.Warn(latchOpen, "error", err)
	}
	b.shut, b.why, b.at = nil, err, time.Now()
	if err == nil {
		b.shut = &l
	}
}

// lift is called before rules come into force that stamp no packets: the latch, and
// one that a killed agent left, would drop everything.
func (t *writer) lift() {
	if t.o.Latch == nil {
		return
	}
	t.belief.latch.shut = nil
	if err := t.o.Latch.Lift(); err != nil {
		t.o.Log.Error("opening the latch", "error", err)
	}
}
