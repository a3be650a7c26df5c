package facts

import (
	"context"
	"slices"
	"sync"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// strangerTime is how long an address must have been in use on a Docker bridge
// without the engine naming a container for it, to be taken for no container's (an
// image build's).
const strangerTime = 500 * time.Millisecond

// strangerBound is how long that takes if the engine, which is there, does not answer
// which addresses of the network are in use: a call takes 5 s at most, and is made again.
const strangerBound = 10 * time.Second

// inquiry returns what the engine said of an address on a network: see docker.Source.Addr.
type inquiry func(network string, a netinfo.Addr, since time.Time) (read, claimed bool)

// stranger reports whether an address that is in use since then, and is of no container in
// the snapshot, is no container's: a read of its network that began later does not list
// it. A busy engine may name a container long after its process runs.
func stranger(s *netinfo.Snapshot, ask inquiry, network string, a netinfo.Addr, since, now time.Time) bool {
	if a.IsLinkLocalUnicast() {
		return false // a container on another bridge may have the same one
	}
	bound := strangerTime
	if s.Engine.Connected {
		bound = strangerBound
	}
	read, claimed := ask(network, a, since)
	age := now.Sub(since)
	return !claimed && age >= strangerTime && (read || age >= bound)
}

// use is an address in use on a link.
type use struct {
	link int
	addr netinfo.Addr
}

// user is the port that uses it, and since when.
type user struct {
	mac   string
	since time.Time
	// held reports whether only a packet speaks for it, not the kernel's table.
	held bool
	// named: a container has had the address.
	named bool
}

// neighbors is what was seen on the links.
type neighbors map[use]user

// note takes a sighting down and reports whether it is news.
func (ns neighbors) note(n hostnet.Neighbor, now time.Time) bool {
	k := use{n.Link, n.Addr}
	if u, known := ns[k]; known && u.mac == n.MAC {
		return false
	}
	ns[k] = user{mac: n.MAC, since: now}
	return true
}

// neighborsKept is how many neighbours are kept altogether: by default the kernel
// knows 1024 of each family. A container can make up any number.
const neighborsKept = 4096

// learn is note for what the kernel learnt.
func (ns neighbors) learn(n hostnet.Neighbor, now time.Time) bool {
	if _, known := ns[use{n.Link, n.Addr}]; !known && len(ns) >= neighborsKept {
		return false
	}
	return ns.note(n, now)
}

// keep forgets what is in use no more.
func (ns neighbors) keep(now []hostnet.Neighbor) {
	current := map[use]bool{}
	for _, n := range now {
		current[use{n.Link, n.Addr}] = true
	}
	for k := range ns {
		if !current[k] {
			delete(ns, k)
		}
	}
}

// into adds to the snapshot the addresses that were seen on the Docker bridges: those that
// a known container uses besides its own, another's among them, and those that
// belong to no container. What a container that is gone has used is forgotten: its next
// user may be a container with the same Ethernet address, which the engine has yet to name.
func (ns neighbors) into(s *netinfo.Snapshot, ask inquiry, now time.Time) {
	bridges := map[int]string{}
	own := map[netinfo.Addr]bool{}
	for _, l := range s.Links {
		for _, a := range l.Addrs {
			own[a.Addr()] = true
		}
		for _, n := range s.Networks {
			if n.Bridge == l.Name {
				bridges[l.Index] = n.ID
			}
		}
	}
	var found *holders // made when the first one is asked for
	for k, u := range ns {
		network, docker := bridges[k.link]
		if !docker || own[k.addr] {
			continue
		}
		if found == nil {
			found = newHolders(s)
		}
		holder, user := found.addrs[onNetwork{network, k.addr}], found.macs[mac{network, u.mac}]
		switch {
		case holder != nil && (user == nil || user == holder):
			u.named = true
			ns[k] = u
			continue
		case holder != nil:
			// It answers for another container's address.
			found.change(holder, func(e *netinfo.Endpoint) { e.Disputed = withAddr(e.Disputed, k.addr) })
			found.change(user, func(e *netinfo.Endpoint) { e.Seen = withAddr(e.Seen, k.addr) })
			continue
		case !found.mayLive(k.addr, network):
			// A container claims an address that cannot be on its network.
		case user != nil:
			found.change(user, func(e *netinfo.Endpoint) { e.Seen = withAddr(e.Seen, k.addr) })
		case u.named:
			delete(ns, k)
		case stranger(s, ask, network, k.addr, u.since, now):
			s.Strangers = append(s.Strangers, k.addr)
		}
	}
}

// withAddr is the sorted list with one more.
func withAddr(as []netinfo.Addr, a netinfo.Addr) []netinfo.Addr {
	i, _ := slices.BinarySearchFunc(as, a, netinfo.Addr.Compare)
	return slices.Insert(slices.Clone(as), i, a)
}

// holders finds endpoints by address and by MAC.
type holders struct {
	s     *netinfo.Snapshot
	addrs map[onNetwork]*place
	macs  map[mac]*place
	// copied: the snapshot's list of containers is its own.
	copied bool
}

type onNetwork struct {
	network string
	addr    netinfo.Addr
}

type mac struct{ network, mac string }

// place is where in the snapshot an endpoint is.
type place struct{ container, endpoint int }

func newHolders(s *netinfo.Snapshot) *holders {
	h := &holders{s: s, addrs: make(map[onNetwork]*place, len(s.Containers)), macs: make(map[mac]*place, len(s.Containers))}
	for i := range s.Containers {
		for j := range s.Containers[i].Endpoints {
			e := &s.Containers[i].Endpoints[j]
			p := &place{i, j}
			for _, a := range e.Addrs {
				h.addrs[onNetwork{e.NetworkID, a}] = p
			}
			if e.MAC != "" {
				h.macs[mac{e.NetworkID, e.MAC}] = p
			}
		}
	}
	return h
}

// change changes an endpoint. The engine's facts are shared: what is added must
// not show in them.
func (h *holders) change(p *place, f func(*netinfo.Endpoint)) {
	if !h.copied {
		h.s.Containers, h.copied = slices.Clone(h.s.Containers), true
	}
	c := &h.s.Containers[p.container]
	c.Endpoints = slices.Clone(c.Endpoints)
	f(&c.Endpoints[p.endpoint])
}

// watchNeighbors keeps the neighbours until ctx ends. While ports are known they
// are not listened to: a container can have the kernel tell of thousands.
func (c *Collector) watchNeighbors(ctx context.Context, notify func(string)) {
	stranger := coalesced(strangerTime, func() {
		if ctx.Err() == nil {
			notify("an address belongs to no container")
		}
	})
	told := coalesced(toldEvery, func() {
		notify("an address came into use")
		time.AfterFunc(strangerTime+time.Millisecond, stranger)
		time.AfterFunc(strangerBound+time.Millisecond, stranger)
	})
	c.mu.Lock()
	c.told = told
	c.mu.Unlock()
	for ctx.Err() == nil {
		if c.byPort() {
			wait(ctx, portLook)
			continue
		}
		listening, stop := context.WithCancel(ctx)
		go func() {
			for !c.byPort() && listening.Err() == nil {
				wait(listening, portLook)
			}
			stop()
		}()
		c.listenForNeighbors(listening, notify, told)
		stop()
		notify("the ports of containers are known")
	}
}

func (c *Collector) listenForNeighbors(ctx context.Context, notify func(string), told func()) {
	hostnet.WatchNeighbors(ctx, func() { c.readNeighbors(); notify("neighbours were read") }, func(n hostnet.Neighbor) {
		c.mu.Lock()
		news := c.neighbors.learn(n, time.Now())
		c.mu.Unlock()
		if news {
			told()
		}
	}, func(err error) { c.log.Warn("watching the neighbours", "error", err) })
}

// portLook is how often it is looked whether ports are known.
const portLook = 500 * time.Millisecond

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// coalesced returns a function that calls f at once, and again after every has
// passed if it was called in the meantime.
func coalesced(every time.Duration, f func()) func() {
	var mu sync.Mutex
	var last time.Time
	waiting := false
	return func() {
		mu.Lock()
		defer mu.Unlock()
		left := every - time.Since(last)
		if waiting {
			return
		}
		if left <= 0 {
			last = time.Now()
			f()
			return
		}
		waiting = true
		time.AfterFunc(left, func() {
			mu.Lock()
			waiting, last = false, time.Now()
			mu.Unlock()
			f()
		})
	}
}

// readNeighbors reads all that the kernel knows, and forgets the rest.
func (c *Collector) readNeighbors() {
	all, err := hostnet.Neighbors()
	if err != nil {
		c.log.Warn("reading the neighbours", "error", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range all {
		c.neighbors.learn(n, time.Now())
	}
	c.neighbors.keep(all)
}
