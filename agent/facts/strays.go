package facts

import (
	"slices"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// strayPorts are the veths on bridges of Docker's networks that belong to no container
// that the engine tells of, and since when. That of a container is among them for the
// moment between its veth's making and the engine's answer.
type strayPorts map[portLink]time.Time

// rememberStrays starts from the links that an earlier run knew.
func rememberStrays(last netinfo.Snapshot) strayPorts {
	ss := strayPorts{}
	for _, l := range last.Links {
		if l.Stray {
			ss[portLink{l.Index, l.Name}] = time.Time{}
		}
	}
	return ss
}

// into marks those that have been there for strangerTime, and returns when the next of
// the others is due; 0 if there is none.
func (ss strayPorts) into(s *netinfo.Snapshot, veths []hostnet.Veth, now time.Time) (wait time.Duration) {
	ports := s.Ports()
	claimed := map[int]bool{}
	for _, c := range s.Containers {
		for _, e := range c.Endpoints {
			if port, ok := ports.Of(e); ok {
				claimed[port] = true
			}
		}
	}
	into := map[int]bool{} // veths whose other end is in another network namespace
	for _, v := range veths {
		into[v.Index] = true
	}
	current := map[portLink]bool{}
	cloned := false
	for i, l := range s.Links {
		// Where the other end's Ethernet address is not known, the engine may yet tell of
		// a container that has it; one in this namespace is no container's.
		if _, docker := ports.Network(l.Index); !docker || l.Kind != "veth" || claimed[l.Index] || l.Peer == "" && into[l.Index] {
			continue
		}
		k := portLink{l.Index, l.Name}
		current[k] = true
		since, known := ss[k]
		if !known {
			ss[k], since = now, now
		}
		if left := strangerTime - now.Sub(since); left > 0 {
			if wait == 0 || left < wait {
				wait = left
			}
			continue
		}
		if !cloned {
			s.Links, cloned = slices.Clone(s.Links), true
		}
		s.Links[i].Stray = true
	}
	for k := range ss {
		if !current[k] {
			delete(ss, k)
		}
	}
	return wait
}

// tellLater calls told after the time, unless it is 0.
func tellLater(wait time.Duration, told func()) {
	if wait > 0 && told != nil {
		time.AfterFunc(wait, told)
	}
}
