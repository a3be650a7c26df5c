package facts

import (
	"context"
	"slices"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// strangerTime is how long an address must have been in use on a Docker bridge
// without the engine naming a container for it, to be taken for nobody's (an
// image build's). A container is named when it is connected, some milliseconds
// to some hundred before its process runs.
const strangerTime = 500 * time.Millisecond

// use is an address in use on a link.
type use struct {
	link int
	addr netinfo.Addr
}

// user is who uses it, and since when.
type user struct {
	mac   string
	since time.Time
	// held tells that only a packet speaks for it, not the kernel's table.
	held bool
}

// neighbors is what was seen on the links.
type neighbors map[use]user

// note takes a sighting down and tells whether it is news.
func (ns neighbors) note(n hostnet.Neighbor, now time.Time) bool {
	k := use{n.Link, n.Addr}
	if u, known := ns[k]; known && u.mac == n.MAC {
		return false
	}
	ns[k] = user{mac: n.MAC, since: now}
	return true
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

// into adds to the snapshot who was seen on the Docker bridges: addresses that
// a known container uses besides its own, another's among them, and those that
// are nobody's.
func (ns neighbors) into(s *netinfo.Snapshot, now time.Time) {
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
			continue
		case holder != nil:
			// It answers for another container's address.
			found.change(holder, func(e *netinfo.Endpoint) { e.Disputed = withAddr(e.Disputed, k.addr) })
			found.change(user, func(e *netinfo.Endpoint) { e.Seen = withAddr(e.Seen, k.addr) })
			continue
		case user != nil:
			found.change(user, func(e *netinfo.Endpoint) { e.Seen = withAddr(e.Seen, k.addr) })
			continue
		}
		// Somebody on another bridge may have the same link-local address.
		if now.Sub(u.since) >= strangerTime && !k.addr.IsLinkLocalUnicast() {
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

// watchNeighbors keeps the neighbours until ctx ends.
func (c *Collector) watchNeighbors(ctx context.Context, notify func(string)) {
	told := func() {
		notify("an address came into use")
		time.AfterFunc(strangerTime+time.Millisecond, func() {
			if ctx.Err() == nil {
				notify("an address is nobody's")
			}
		})
	}
	c.mu.Lock()
	c.told = told
	c.mu.Unlock()
	hostnet.WatchNeighbors(ctx, func() { c.readNeighbors(); notify("neighbours were read") }, func(n hostnet.Neighbor) {
		c.mu.Lock()
		news := c.neighbors.note(n, time.Now())
		c.mu.Unlock()
		if news {
			told()
		}
	}, func(err error) { c.log.Warn("watching the neighbours", "error", err) })
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
		c.neighbors.note(n, time.Now())
	}
	c.neighbors.keep(all)
}
