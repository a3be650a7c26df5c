package reconcile

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules/finding"
)

// The loop's times.
const (
	// minInterval is the least time between the beginnings of two passes, and
	// so the longest that a stream of pokes can hold one up.
	minInterval = 4 * time.Millisecond
	// kernelInterval is the same for passes that read the kernel, which cost
	// several processes each. Others' programs change it in bursts.
	kernelInterval = 40 * time.Millisecond
	// calm is how long others must leave the kernel alone for the loop to stop
	// taking them for a program that insists.
	calm = 10 * time.Second
	// atOnce is how many repairs are made without delay before that: a reload of
	// another firewall is a burst of changes, and no program that insists.
	atOnce      = 30
	maxBackOff  = time.Second
	firstRetry  = 100 * time.Millisecond
	maxRetry    = 5 * time.Second
	probeSpacer = 2 * time.Second
	// glanceSpacer is the same for the few sets whose loss opens something.
	glanceSpacer = 400 * time.Millisecond
	// tidyInterval is how long work that no caller waits for may be delayed.
	tidyInterval = time.Second
	// firstFacts is how long the first pass waits for the engine's answer.
	firstFacts = time.Second
)

// Facts gives the host's facts and when the event behind them happened.
type Facts interface {
	Snapshot() (netinfo.Snapshot, time.Time, error)
}

// Options are what a Loop is made of.
type Options struct {
	Log   hclog.Logger
	Load  func() (*config.Document, config.Diagnostics)
	Facts Facts
	// Target is brought to the file's policy.
	Target *enforce.Target
	// Path is agent.hcl's, for status.
	Path string
	// Busy says which program the kernel has been waiting for, if it is for long;
	// empty: for none. nil: it is not known.
	Busy func() string
	// Observer is called after every pass; nil if there is none.
	Observer Observer
	// Loaded is called when another document came into force.
	Loaded func(*config.Document)
	// Trial is the change that awaits its confirmation, for status; nil if there
	// never is one.
	Trial func() *Trial
	// Host finds what is wrong with the host and no pass changes, for status; nil if
	// that is not looked for.
	Host func() []finding.Finding
}

// Loop runs the passes.
type Loop struct {
	o      Options
	pokes  *pokes
	cycle  cycle
	last   result
	status atomic.Pointer[Status]
	facts  atomic.Pointer[netinfo.Snapshot]
	// enforced is what is in force.
	enforced atomic.Pointer[Enforced]
	// ready is closed once the kernel is as wanted for the first time.
	ready chan struct{}
}

// New returns a loop; Run starts it.
func New(o Options) *Loop {
	l := &Loop{o: o, pokes: newPokes(), ready: make(chan struct{})}
	l.cycle = cycle{o: o}
	l.status.Store(&Status{State: Starting, Config: ConfigStatus{Path: o.Path}})
	return l
}

// Poke asks for a pass that looks at these parts again.
func (l *Loop) Poke(d Due, cause string) { l.pokes.add(d, cause) }

// Reload asks for the file to be read again.
func (l *Loop) Reload() { l.Poke(DueFile|DueFacts|DueKernel, "reload was asked for") }

// Status is the state after the last pass, and what has been waiting since then for
// longer than it should. It does not wait for the loop, which may be busy with a
// program that does not end.
func (l *Loop) Status() Status { return l.withPending(*l.status.Load()) }

// Snapshot is what the last pass went by.
func (l *Loop) Snapshot() netinfo.Snapshot {
	if s := l.facts.Load(); s != nil {
		return *s
	}
	return netinfo.Snapshot{}
}

// Ready is closed once the kernel is as wanted for the first time.
func (l *Loop) Ready() <-chan struct{} { return l.ready }

// Run runs passes until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	l.waitForFacts(ctx)
	l.Poke(DueFile|DueFacts|DueKernel, "start")
	var pace pace
	putOff := false
	var retry, tidy, settled <-chan time.Time
	var found <-chan []finding.Finding
	resync := time.NewTimer(l.cycle.resync())
	defer resync.Stop()
	probe := time.NewTicker(probeSpacer)
	defer probe.Stop()
	var glance <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.pokes.wake:
		case <-retry:
			l.Poke(DueFacts|DueKernel, "trying again")
		case <-resync.C:
			l.resync(ctx)
			resync.Reset(l.cycle.resync())
		case <-probe.C:
			l.probe(l.o.Target.Probe(ctx, false))
			continue
		case <-glance:
			l.probe(l.o.Target.Glance(ctx))
			glance = l.nextGlance()
			continue
		case <-tidy:
			tidy = nil
			if l.o.Target.Followed() {
				found = l.o.Target.ProblemsLater()
			}
			continue
		case <-settled:
			settled = nil
			l.o.Target.Loosen()
			continue
		case ps := <-found:
			found = nil
			if l.o.Target.Found(ps) {
				l.show(l.last)
			}
			continue
		}
		if !pace.wait(ctx, l.pokes) {
			return nil
		}
		due, cause, since := l.pokes.take()
		if due == 0 {
			continue
		}
		putOff = l.o.Target.Known() && !putOff && l.putOff(&due, cause)
		result := l.cycle.pass(ctx, due, cause, since)
		retry = pace.after(due, result)
		glance = l.nextGlance()
		l.publish(result)
		if result.Tightened {
			settled = time.After(enforce.SettleTime)
		}
		if l.o.Target.Followed() && tidy == nil && found == nil {
			tidy = time.After(tidyInterval)
		}
		if due&DueKernel != 0 {
			resync.Reset(l.cycle.resync())
		}
	}
}

// putOff leaves a look at the kernel for the next pass, if something else is due as
// well, and reports whether it did. A container that starts does not wait for such a
// look, which costs several processes. The caller does so once: there is no end to what
// may be due besides.
func (l *Loop) putOff(due *Due, cause string) bool {
	if *due&DueKernel == 0 || *due == DueKernel {
		return false
	}
	l.pokes.add(DueKernel, cause)
	*due &^= DueKernel
	return true
}

// waitForFacts gives the engine a moment to answer, so that a restart of the
// agent does not first shut out what it will let in a moment later.
func (l *Loop) waitForFacts(ctx context.Context) {
	timeout := time.After(firstFacts)
	for {
		s, _, err := l.o.Facts.Snapshot()
		if err == nil && (s.Engine.Connected || s.Engine.Error != "") {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-timeout:
			return
		case <-l.pokes.wake:
		}
	}
}

// resync looks at everything. What the kernel holds is read by processes only
// if a look without any finds that it has changed, or finds nothing out.
func (l *Loop) resync(ctx context.Context) {
	due := DueFacts
	if changed, err := l.o.Target.Probe(ctx, true); changed || err != nil || !l.o.Target.Known() {
		due |= DueKernel
	}
	l.Poke(due, "resync")
}

// nextGlance is when to look again at the sets whose loss opens something; nil if
// there are none.
func (l *Loop) nextGlance() <-chan time.Time {
	if !l.o.Target.Glances() {
		return nil
	}
	return time.After(glanceSpacer)
}

// probe takes note of a look for what no event tells of: sets that were emptied,
// legacy tables, switches in /proc.
func (l *Loop) probe(changed bool, err error) {
	if err != nil {
		l.o.Log.Warn("looking for changes in the kernel", "error", err)
	}
	if changed {
		l.Poke(DueKernel, "something else changed the kernel")
	}
}

// show makes the state known, as it is since a pass ended so.
func (l *Loop) show(r result) Status {
	l.last = r
	st := l.cycle.status(r)
	l.status.Store(&st)
	return st
}

func (l *Loop) publish(r result) {
	if r.err == nil {
		l.pokes.served()
	}
	st := l.show(r)
	snap := l.cycle.snapshot
	l.facts.Store(&snap)
	l.publishEnforced(r)
	if l.cycle.appliedOnce {
		select {
		case <-l.ready:
		default:
			close(l.ready)
		}
	}
	if l.o.Observer != nil {
		l.o.Observer.Passed(r.pass(), st)
	}
}
