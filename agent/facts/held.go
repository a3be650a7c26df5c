package facts

import (
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

const (
	// heldPerLink is how many addresses of one link are taken on the word of
	// packets alone: a container may invent as many as it likes.
	heldPerLink = 256
	// heldTime is how long such an address is kept where others need the room.
	// One that is still in use is held again, and known again.
	heldTime = 10 * time.Minute
)

// Saw takes down that a packet came in on the link from the address, which the
// rules held because it was unknown. It does what a neighbour that the kernel
// learns does: a container's further address, and an image build's, are known
// by their first packet.
//
// Where the port is known that it came in by, only that counts: the sender
// chooses address and MAC.
//
// It may be called from any goroutine, and before Run; it does not wait.
func (c *Collector) Saw(n hostnet.Neighbor) {
	if c.byPort() {
		c.sawAt(n)
		return
	}
	if !n.Addr.IsValid() || n.MAC == "" || n.Link == 0 {
		return
	}
	now := time.Now()
	c.mu.Lock()
	news := mayBeBehind(c.links, n) && c.neighbors.hold(n, now)
	told := c.told
	c.mu.Unlock()
	if news && told != nil {
		told()
	}
}

// sawAt notes the port.
func (c *Collector) sawAt(n hostnet.Neighbor) {
	if n.Port == 0 || !n.Addr.IsValid() || n.Addr.IsUnspecified() || n.Addr.IsMulticast() {
		return
	}
	c.mu.Lock()
	news := c.sightings.note(netinfo.Place{Port: n.Port, Addr: n.Addr.WithZone("")}, time.Now(), c.masters)
	told := c.told
	c.mu.Unlock()
	if news && told != nil {
		told()
	}
}

// mayBeBehind reports whether a host on the link may send from the address: its own, or
// that of a VPN's client or a pod behind it. What belongs on another link is not.
func mayBeBehind(links []netinfo.Link, n hostnet.Neighbor) bool {
	elsewhere := false
	for _, l := range links {
		for _, p := range l.Addrs {
			if p.Contains(n.Addr) && l.Index == n.Link {
				return true
			}
			elsewhere = elsewhere || p.Contains(n.Addr) && !p.Addr().IsLinkLocalUnicast()
		}
	}
	return !elsewhere
}

// hold is note for an address that only a packet speaks for.
func (ns neighbors) hold(n hostnet.Neighbor, now time.Time) bool {
	k := use{n.Link, n.Addr}
	before, known := ns[k]
	if !known && !ns.roomOn(n.Link, now) || !ns.note(n, now) {
		return false
	}
	u := ns[k]
	u.held = !known || before.held
	ns[k] = u
	return true
}

// roomOn reports whether one more address of the link may be taken down, and
// makes room where that was long ago.
func (ns neighbors) roomOn(link int, now time.Time) bool {
	count := 0
	for k, u := range ns {
		if k.link == link && u.held {
			count++
		}
	}
	if count < heldPerLink {
		return true
	}
	room := false
	for k, u := range ns {
		if k.link == link && u.held && now.Sub(u.since) > heldTime {
			delete(ns, k)
			room = true
		}
	}
	return room
}
