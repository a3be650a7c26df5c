package facts

import (
	"context"
	"slices"
	"time"

	"dockwall/netinfo/hostnet"
)

// Sockets have no notifications. The listeners are compared with those of the last look
// soon after Docker did something, soon after a listener came or went on a port that
// matters, and every lookInterval besides. A look that finds other listeners walks all
// processes; so does one look after each event.
const (
	lookInterval = 20 * time.Second
	// lookPause is the least time between two looks.
	lookPause = 5 * time.Millisecond
	// lookAgain and looks are how often it is looked after something happened:
	// docker-proxy comes some milliseconds after Docker's rules for the port.
	lookAgain = 15 * time.Millisecond
	looks     = 6
	// waitTime is how often the listeners are compared with those of the last look
	// while a container that does not run would publish ports: such a port is
	// closed, and a service of the host's own that starts there must not be.
	waitTime = 100 * time.Millisecond
	// owedWithin is how soon after an event the processes are walked at the latest,
	// even if the listeners are the same: dockerd 28 hands a socket over to
	// docker-proxy, which changes its owner alone.
	owedWithin = time.Second
	// owedAfter is how long after the event such a walk must be to count for it: an
	// earlier one may have been too early for the docker-proxy of a busy host.
	owedAfter = owedWithin / 2
)

// walkDue is when the processes must be walked because something happened.
type walkDue struct {
	// due is the latest time for the walk; zero if none is owed.
	due time.Time
	// last is when something happened last.
	last time.Time
}

// note owes a walk for an event at now.
func (o *walkDue) note(now time.Time) {
	if o.due.IsZero() {
		o.due = now.Add(owedWithin)
	}
	o.last = now
}

// walked settles what was owed, except for an event shortly before now.
func (o *walkDue) walked(now time.Time) {
	o.due = time.Time{}
	if now.Sub(o.last) < owedAfter {
		o.due = o.last.Add(owedWithin)
	}
}

// overdue reports whether the walk must be made now.
func (o *walkDue) overdue(now time.Time) bool { return !o.due.IsZero() && !now.Before(o.due) }

// wait returns a channel that is ready when the walk is due, or nil if none is owed.
func (o *walkDue) wait(now time.Time) <-chan time.Time {
	if o.due.IsZero() {
		return nil
	}
	return time.After(o.due.Sub(now))
}

// watchSockets looks at the sockets until ctx ends.
func (c *Collector) watchSockets(ctx context.Context, notify func(string)) {
	c.lookFirst()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	var next walkDue
	more, settling := 0, true
	for why := dueTick; ; {
		// Each container that starts or ends asks for some looks. Most find the sockets of
		// the last one: walking all processes for each would cost a second of processor time
		// a container on a host with a thousand processes.
		var changed bool
		if why == dueTick || settling || c.mustWalk() || next.overdue(time.Now()) || c.socketsChanged() {
			began := time.Now()
			var err error
			changed, settling, err = c.lookAtSockets()
			c.warn(err)
			next.walked(began)
		}
		if changed {
			notify("listening sockets changed")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookPause):
		}
		var again <-chan time.Time
		switch {
		case more > 0:
			more--
			again = time.After(lookAgain)
		case settling:
			again = time.After(settleTime)
		}
		var ok bool
		if why, ok = c.waitForListeners(ctx, tick.C, again, next.wait(time.Now())); !ok {
			return
		}
		if why == duePoke {
			more = looks
			next.note(time.Now())
		}
	}
}

// due is why the sockets are to be looked at.
type due int

const (
	dueTick  due = iota // lookInterval is over, or a listener changed on a port that matters
	dueAgain            // one of the looks after something happened, or the walk that is owed for it
	duePoke             // something happened: more looks must follow
)

// mustWalk reports whether the next look must walk all processes, and takes the wish back.
func (c *Collector) mustWalk() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	must := c.walk
	c.walk = false
	return must
}

// socketsChanged reports whether the host has other listeners than at the last look.
func (c *Collector) socketsChanged() bool {
	open, err := hostnet.Listeners()
	c.mu.Lock()
	defer c.mu.Unlock()
	return err != nil || !slices.Equal(open, c.sockets.open)
}

// waitForListeners returns when the sockets are to be looked at, and why; ok is false
// if ctx has ended.
func (c *Collector) waitForListeners(ctx context.Context, tick, again, walk <-chan time.Time) (why due, ok bool) {
	for {
		var wait <-chan time.Time
		if c.anyWanted() {
			wait = time.After(waitTime)
		}
		select {
		case <-ctx.Done():
			return dueTick, false
		case <-tick:
			return dueTick, true
		case <-c.look:
			return duePoke, true
		case <-again:
			return dueAgain, true
		case <-walk:
			return dueAgain, true
		case <-wait:
			if c.listenersChanged() {
				return dueTick, true
			}
		}
	}
}
