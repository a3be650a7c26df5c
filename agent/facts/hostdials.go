package facts

import (
	"net/netip"
	"slices"
	"time"

	"dockwall/netinfo"
)

// dialledKept is how many addresses that the host dialled are kept: the oldest makes
// room.
const dialledKept = 256

// hostDials are addresses in the subnets of Docker's networks that a process of the
// host dialled while no container was known there, and since when.
type hostDials map[netip.Addr]time.Time

// Dialled takes down that the rules refused a packet of the host's own because a
// container may be in the making at the address. Unless a docker-proxy dials it, or
// the engine names a container there, it is known after a moment that none is.
//
// It may be called from any goroutine, and before Run; it does not wait.
func (c *Collector) Dialled(a netip.Addr) {
	if !a.IsValid() || a.IsUnspecified() || a.IsLinkLocalUnicast() {
		return
	}
	c.mu.Lock()
	news := c.memory.dialled.note(a.WithZone(""), time.Now())
	told := c.told
	c.mu.Unlock()
	if !news {
		return
	}
	c.poke() // for the docker-proxy that may be behind it
	if told != nil {
		told()
	}
}

// note reports whether the address is news.
func (d *hostDials) note(a netip.Addr, now time.Time) bool {
	if _, known := (*d)[a]; known {
		return false
	}
	if *d == nil {
		*d = hostDials{}
	}
	if len(*d) >= dialledKept {
		delete(*d, d.oldest())
	}
	(*d)[a] = now
	return true
}

func (d *hostDials) oldest() (oldest netip.Addr) {
	for a, since := range *d {
		if !oldest.IsValid() || since.Before((*d)[oldest]) {
			oldest = a
		}
	}
	return oldest
}

// into adds to the snapshot the addresses of which it is known that no container is in
// the making there: the engine has had the time to name one, and no docker-proxy
// dials the address. One that turns out to be a container's is forgotten.
func (d *hostDials) into(s *netinfo.Snapshot, proxied func(netip.Addr) bool, now time.Time) {
	if len(*d) == 0 || !s.Engine.Connected {
		return
	}
	containers := map[netip.Addr]bool{}
	for _, c := range s.Containers {
		for _, e := range c.Endpoints {
			for _, a := range e.Addrs {
				containers[a] = true
			}
		}
	}
	for a, since := range *d {
		switch {
		case containers[a] || proxied(a):
			delete(*d, a)
		case now.Sub(since) >= strangerTime:
			s.Dialled = append(s.Dialled, a)
		}
	}
	slices.SortFunc(s.Dialled, netip.Addr.Compare)
}

// dials reports whether a docker-proxy dials the address.
func (s *sockets) dials(a netip.Addr) bool {
	for _, p := range s.proxies {
		if p.ContainerAddr == a {
			return true
		}
	}
	return false
}
