package facts

import (
	"cmp"
	"context"
	"slices"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// Sockets have no notifications. They are looked at soon after Docker did
// something, and every lookInterval besides.
const (
	lookInterval = 20 * time.Second
	// lookPause is the least time between two looks.
	lookPause = 5 * time.Millisecond
	// lookAgain and looks are how often it is looked after something happened:
	// docker-proxy comes some milliseconds after Docker's rules for the port.
	lookAgain = 15 * time.Millisecond
	looks     = 6
	// settleTime is how long a listener must have been there before it is
	// believed to be the host's own: docker-proxy's socket is bound before its
	// process can be seen.
	settleTime = 2 * time.Second
	// returnTime is how long a dockerd that came back has to listen where the one
	// before it did.
	returnTime = 10 * time.Second
)

// sockets is what was seen of the host's own sockets.
type sockets struct {
	proxies   []hostnet.Proxy
	listeners []sighting
	// looked: this run has looked at them. Before, there is what an earlier run
	// knew of dockerd's.
	looked bool
	// engineSince is when dockerd was first found running; zero: it does not run.
	engineSince time.Time
}

// recall starts from what an earlier run knew of dockerd's own ports.
func recall(last netinfo.Snapshot) (s sockets) {
	for _, l := range last.Listeners {
		if l.Dockerd {
			s.listeners = append(s.listeners, sighting{l: l})
		}
	}
	return s
}

// sighting is a listener and since when it has been seen.
type sighting struct {
	l     netinfo.Listener
	since time.Time
}

// watchSockets looks at the sockets until ctx ends.
func (c *Collector) watchSockets(ctx context.Context, notify func(string)) {
	c.lookFirst()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	more := 0
	for {
		changed, settling, err := c.lookAtSockets()
		c.warn(err)
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
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.look:
			more = looks
		case <-again:
		}
	}
}

// lookAtSockets reads listeners before processes: a docker-proxy that listens
// in the one is then found in the other.
func (c *Collector) lookAtSockets() (changed, settling bool, err error) {
	open, err := hostnet.Listeners()
	if err != nil {
		return false, false, err
	}
	proxies, err := c.scanner.Proxies()
	if err != nil {
		return false, false, err
	}
	engine, err := c.scanner.Dockerd(open)
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.sockets
	before := old.settled(now)
	next := sockets{proxies: proxies, looked: true}
	if c.scanner.DockerdRuns() {
		next.engineSince = cmp.Or(old.engineSince, now)
	}
	if next.engineSince.IsZero() || next.returning(now) {
		engine = append(engine, old.engines(now)...)
	}
	next.listeners = old.see(open, engine, proxies, now)
	changed = !slices.EqualFunc(c.sockets.proxies, proxies, func(a, b hostnet.Proxy) bool {
		a.PID, b.PID = 0, 0
		return a == b
	})
	c.sockets = next
	after := next.settled(now)
	changed = changed || len(next.listeners) != len(after) && !slices.EqualFunc(next.listeners, old.listeners, func(a, b sighting) bool { return a.l == b.l })
	settling = len(after) < len(next.listeners) || next.returning(now)
	return changed || !slices.Equal(before, after), settling, err
}

// engines are dockerd's ports. While it is away they stay so, whoever listens
// there meanwhile: it listens again some time before anybody can see that, and
// systemd may do so for it. One that came back gives up those that it does not
// take again.
func (s sockets) engines(now time.Time) []netinfo.Listener {
	return slices.DeleteFunc(s.settled(now), func(l netinfo.Listener) bool { return !l.Dockerd })
}

// returning tells that dockerd has not had the time yet to listen.
func (s sockets) returning(now time.Time) bool {
	return !s.engineSince.IsZero() && now.Sub(s.engineSince) < returnTime
}

// see turns the listeners into sightings: dockerd's as such, docker-proxy's not
// at all, everybody else's as the host's own.
func (s sockets) see(open []hostnet.Socket, engine []netinfo.Listener, proxies []hostnet.Proxy, now time.Time) []sighting {
	var ls []netinfo.Listener
	for _, o := range open {
		l := netinfo.Listener{Addr: o.Addr, Proto: o.Proto, Port: o.Port}
		proxied := slices.ContainsFunc(proxies, func(p hostnet.Proxy) bool { return p.Proto == o.Proto && p.HostPort == o.Port })
		engines := slices.ContainsFunc(engine, func(e netinfo.Listener) bool { return e.Proto == l.Proto && e.Port == l.Port })
		if !proxied && !engines {
			ls = append(ls, l)
		}
	}
	for _, e := range engine {
		if !slices.Contains(ls, e) {
			ls = append(ls, e)
		}
	}
	seen := make([]sighting, 0, len(ls))
	for _, l := range ls {
		since := now
		if !s.looked && l.Dockerd {
			// At the first look there is nothing to wait for: what dockerd
			// listens on was there before us.
			since = now.Add(-settleTime)
		}
		if i := slices.IndexFunc(s.listeners, func(o sighting) bool { return o.l == l }); i >= 0 {
			since = s.listeners[i].since
		}
		seen = append(seen, sighting{l, since})
	}
	return seen
}

// settled returns the listeners that have been there long enough.
func (s sockets) settled(now time.Time) []netinfo.Listener {
	var ls []netinfo.Listener
	for _, g := range s.listeners {
		if now.Sub(g.since) >= settleTime {
			ls = append(ls, g.l)
		}
	}
	return ls
}

// into adds to the snapshot what matters to policy: what docker-proxy serves,
// the engine's own ports, and the host's services on ports that a container
// which has no address now would publish.
func (s sockets) into(snap *netinfo.Snapshot) {
	for _, p := range s.proxies {
		snap.Proxies = append(snap.Proxies, netinfo.PublishedPort{HostAddr: p.HostAddr, HostPort: p.HostPort,
			HostPortEnd: p.HostPort, Proto: p.Proto, ContainerPort: p.ContainerPort})
	}
	for _, g := range s.listeners {
		// A socket that dockerd has just opened is a port that it is about to
		// publish, as far as anybody can tell.
		if g.l.Dockerd && time.Since(g.since) < settleTime {
			snap.Proxies = append(snap.Proxies, netinfo.PublishedPort{HostAddr: g.l.Addr, HostPort: g.l.Port,
				HostPortEnd: g.l.Port, Proto: g.l.Proto})
		}
	}
	settled := s.settled(time.Now())
	wanted, published := publishes(snap.Containers, settled)
	for i, l := range settled {
		if l.Dockerd && !published[i] || !l.Dockerd && wanted[i] {
			snap.Listeners = append(snap.Listeners, l)
		}
	}
}

// publishes tells for each listener whether a container without an address would
// publish its port, and whether any container does: where dockerd holds
// published ports itself (userland-proxy=false) they are not its own.
func publishes(cs []netinfo.Container, ls []netinfo.Listener) (wanted, published []bool) {
	wanted, published = make([]bool, len(ls)), make([]bool, len(ls))
	if len(ls) == 0 {
		return wanted, published
	}
	// A port takes a look at the listeners' lowest and highest before it is
	// compared with each: nearly none is a listener's.
	lo, hi := uint16(1<<16-1), uint16(0)
	for _, l := range ls {
		lo, hi = min(lo, l.Port), max(hi, l.Port)
	}
	for at := range cs {
		c := &cs[at] // a copy of each costs more than all the rest
		for _, p := range c.Ports {
			last := max(p.HostPort, p.HostPortEnd)
			if p.HostPort == 0 || p.HostPort > hi || last < lo {
				continue
			}
			for i, l := range ls {
				if p.Proto == l.Proto && p.HostPort <= l.Port && l.Port <= last {
					published[i] = true
					wanted[i] = wanted[i] || len(c.Endpoints) == 0
				}
			}
		}
	}
	return wanted, published
}
