package reconcile

import (
	"slices"
	"time"

	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/plan"
)

// Latch closes what the rules judge, in a place of its own, for as long as the
// rules are away: see rules.Latch. It is open whenever no agent runs.
type Latch interface {
	// Shut has the latch know these, in one step.
	Shut(rules.Latch) error
	// Lift opens it.
	Lift() error
}

// latchOpen is what is logged of a latch that cannot be shut.
const latchOpen = "the latch stays open: who flushes all tables opens what is published until the rules are back"

// settleTime is how long the latch stays tight after rules were put back: many
// times what docker-proxy takes from accepting a connection to dialling the
// container.
const settleTime = 200 * time.Millisecond

// exposed tells whether what comes to the host was judged by nobody, in one family
// at least, before a repair: rules are missing in filter and in the guard's table, or
// there is no such. Else the one holds while the other is put right.
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

// tighten is called before rules are put back without which the host was exposed,
// and loosen settleTime after that.
func (c *cycle) tighten() {
	if c.latched == nil {
		return
	}
	c.tight = true
	c.close(*c.latched)
}

func (c *cycle) loosen() {
	c.tight = false
	if c.latched != nil {
		c.close(*c.latched)
	}
}

// shut is called once the rules that stamp packets are in force.
func (c *cycle) shut() {
	if c.o.Latch != nil && !slices.Contains(c.without, rules.Stamp) {
		c.close(compile.Latch(c.doc.Policy, c.snapshot))
	}
}

// looseInterval is how long a latch that could not be shut is left alone.
const looseInterval = 10 * time.Second

// tryLatch shuts a latch that could not be shut before: an agent that is being
// replaced may have had it still.
func (c *cycle) tryLatch() {
	if c.loose != nil && time.Since(c.looseAt) > looseInterval {
		c.shut()
	}
}

func (c *cycle) close(l rules.Latch) {
	l.Tight = c.tight
	err := c.o.Latch.Shut(l)
	if err != nil && c.loose == nil {
		c.o.Log.Warn(latchOpen, "error", err)
	}
	c.latched, c.loose, c.looseAt = nil, err, time.Now()
	if err == nil {
		c.latched = &l
	}
}

// lift is called before the rules go that stamp packets.
func (c *cycle) lift() {
	if c.o.Latch == nil {
		return
	}
	c.latched = nil
	if err := c.o.Latch.Lift(); err != nil {
		c.o.Log.Error("opening the latch", "error", err)
	}
}
