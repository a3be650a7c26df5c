package facts

import (
	"net/netip"
	"slices"
	"time"

	"dockwall/netinfo"
)

const (
	// seenPerPort is how many addresses are kept for one port: the clients of a VPN
	// behind a container. A container may invent as many as it likes; the oldest
	// makes room.
	seenPerPort = 1024
	// toldEvery is how often at most the loop hears of new addresses. It looks at
	// all of them then.
	toldEvery = 20 * time.Millisecond
)

// sightings are the addresses that frames were seen to come from, by the bridge
// port they came in by: which the sender cannot choose.
type sightings struct {
	since map[netinfo.Place]time.Time
	// ports are the ports on which an address was seen.
	ports map[netip.Addr][]int
	count map[int]int
}

func newSightings() *sightings {
	return &sightings{since: map[netinfo.Place]time.Time{}, ports: map[netip.Addr][]int{}, count: map[int]int{}}
}

// recallSightings starts from what an earlier run knew. The ports of an earlier
// boot are not among it.
func recallSightings(last netinfo.Snapshot) *sightings {
	ss := newSightings()
	of := masters(last.Links)
	for _, p := range last.Sightings {
		ss.note(p, time.Time{}, of)
	}
	return ss
}

// masters returns the bridge of each port.
func masters(links []netinfo.Link) map[int]int {
	of := make(map[int]int, len(links))
	for _, l := range links {
		if l.Master != 0 {
			of[l.Index] = l.Master
		}
	}
	return of
}

// note takes a sighting down, and reports whether it is news. An address is where
// it was seen last: masters is the bridge of each port, and one that moved to
// another port of the same bridge, as a keepalived address does, leaves the first.
func (ss *sightings) note(p netinfo.Place, now time.Time, masters map[int]int) bool {
	if _, known := ss.since[p]; known {
		return false
	}
	for _, other := range slices.Clone(ss.ports[p.Addr]) {
		if masters[other] == masters[p.Port] {
			ss.forget(netinfo.Place{Port: other, Addr: p.Addr})
		}
	}
	if ss.count[p.Port] >= seenPerPort {
		ss.forget(ss.oldest(p.Port))
	}
	ss.since[p] = now
	ss.ports[p.Addr] = append(ss.ports[p.Addr], p.Port)
	ss.count[p.Port]++
	return true
}

func (ss *sightings) forget(p netinfo.Place) {
	if _, known := ss.since[p]; !known {
		return
	}
	delete(ss.since, p)
	if ss.ports[p.Addr] = slices.DeleteFunc(ss.ports[p.Addr], func(port int) bool { return port == p.Port }); len(ss.ports[p.Addr]) == 0 {
		delete(ss.ports, p.Addr)
	}
	if ss.count[p.Port]--; ss.count[p.Port] == 0 {
		delete(ss.count, p.Port)
	}
}

func (ss *sightings) oldest(port int) (oldest netinfo.Place) {
	var since time.Time
	for p, at := range ss.since {
		if p.Port == port && (!oldest.Addr.IsValid() || at.Before(since)) {
			oldest, since = p, at
		}
	}
	return oldest
}

// keep forgets the ports that are gone.
func (ss *sightings) keep(masters map[int]int) {
	for p := range ss.since {
		if masters[p.Port] == 0 {
			ss.forget(p)
		}
	}
}

// into adds to the snapshot which container uses which further addresses, and
// the addresses on ports that are no known container's, such as an image build's.
// What cannot live on the port is left out: the address of a container elsewhere,
// or one of another Docker network.
func (ss *sightings) into(s *netinfo.Snapshot, ask inquiry, now time.Time) {
	if len(ss.since) == 0 {
		return
	}
	ports, found, own := s.Ports(), newHolders(s), hostAddrs(s.Links)
	users := map[int]*place{}
	for i := range s.Containers {
		for j, e := range s.Containers[i].Endpoints {
			if port, ok := ports.Of(e); ok {
				users[port] = &place{i, j}
			}
		}
	}
	for p, since := range ss.since {
		network, docker := ports.Network(p.Port)
		if !docker || own[p.Addr] || !found.mayLive(p.Addr, network) {
			continue
		}
		s.Sightings = append(s.Sightings, p)
		switch user := users[p.Port]; {
		case user != nil:
			found.change(user, func(e *netinfo.Endpoint) { e.Seen = withAddr(e.Seen, p.Addr) })
		case stranger(s, ask, network, p.Addr, since, now):
			s.Strangers = append(s.Strangers, p.Addr)
		}
	}
}

func hostAddrs(links []netinfo.Link) map[netinfo.Addr]bool {
	own := map[netinfo.Addr]bool{}
	for _, l := range links {
		for _, a := range l.Addrs {
			own[a.Addr()] = true
		}
	}
	return own
}

// mayLive reports whether a sender on the network may have an address that the
// engine gave to no container, here or elsewhere: it may not be in another
// network's subnet.
func (h *holders) mayLive(a netinfo.Addr, network string) bool {
	for _, n := range h.s.Networks {
		if h.addrs[onNetwork{n.ID, a}] != nil {
			return false
		}
		if n.ID != network && n.Bridge != "" && slices.ContainsFunc(n.Subnets, func(p netinfo.Prefix) bool { return p.Contains(a) }) {
			return false
		}
	}
	return true
}
