package facts

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/docker"
	"dockwall/netinfo/hostnet"
)

// Interfaces that another program puts into a container (pipework, ip link set netns) have
// no notification in this namespace if neither end is here. The containers' interfaces are
// read when a container is new, those of --network none after each event, all of them every
// byHandInterval. Reading one takes 35 µs.
const (
	byHandInterval = time.Minute
	// byHandPause is how long after an event they are read: the engine
	// connects containers during that time.
	byHandPause = 2 * time.Second
)

// madeInside are the names of interfaces that programs in a container make for themselves:
// tunnels and bridges. Their packets leave by the container's other interfaces.
var madeInside = regexp.MustCompile(`^(br|cali|cni|docker|dummy|flannel|gre|ifb|ip6|ipip|kube|nebula|ppp|sit|tailscale|tap|tun|utun|veth|virbr|vti|vxlan|wg|zt)`)

// handmade is what was found in a container at the last look.
type handmade struct {
	pid   int
	names []string
	// twice: the look before found some as well. An interface that the engine is just
	// making or removing is there without its endpoint for a moment.
	twice bool
}

// watchByHand looks for interfaces made by hand until ctx ends.
func (c *Collector) watchByHand(ctx context.Context, notify func(string)) {
	every := time.NewTicker(byHandInterval)
	defer every.Stop()
	for {
		all, again := false, c.unsure()
		var soon <-chan time.Time
		if again {
			soon = time.After(byHandPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			all = true
		case <-soon:
		case <-c.connected:
			select {
			case <-ctx.Done():
				return
			case <-time.After(byHandPause):
			}
		}
		if c.lookByHand(all) {
			notify("interfaces of containers changed")
		}
	}
}

// unsure reports whether a container must be looked at once more.
func (c *Collector) unsure() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.byHand {
		if len(h.names) > 0 && !h.twice {
			return true
		}
	}
	return false
}

// lookByHand reads the interfaces of containers: of all, or of those that are new, have no
// network of the engine's or must be looked at once more. It reports whether the facts
// have changed.
func (c *Collector) lookByHand(all bool) (changed bool) {
	boxes := c.engine.Sandboxes()
	c.mu.Lock()
	before := c.byHand
	c.mu.Unlock()
	now := make(map[string]handmade, len(boxes))
	c.looking.Lock()
	for id, box := range boxes {
		h, known := before[id]
		if known = known && h.pid == box.PID; !known || all || box.None || len(h.names) > 0 {
			names, ok := c.scanner.Interfaces(box.PID, id)
			next := handmade{pid: box.PID}
			if ok {
				next.names = notOfEngine(names, box)
			}
			next.twice = len(next.names) > 0 && (box.None || known && len(h.names) > 0)
			h = next
		}
		now[id] = h
	}
	c.looking.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, h := range now {
		changed = changed || !slices.Equal(h.told(), before[id].told())
	}
	c.byHand = now
	return changed
}

// told are the names that count.
func (h handmade) told() []string {
	if !h.twice {
		return nil
	}
	return h.names
}

// notOfEngine returns the interfaces that the engine did not make, sorted. Of a container
// that it has connected only their number is certain: as many as it has endpoints are its.
func notOfEngine(names []string, box docker.Sandbox) []string {
	names = slices.Sorted(slices.Values(names))
	if box.None {
		return names
	}
	names = slices.DeleteFunc(names, madeInside.MatchString)
	if len(names) <= box.Endpoints {
		return nil
	}
	return names[box.Endpoints:]
}

// addByHand gives the containers the interfaces that were made by hand: those that were
// found inside, and the other ends, in this namespace, of links into the namespace of one.
// c.mu is held.
func (c *Collector) addByHand(s *netinfo.Snapshot) {
	ends := handmadeEnds(s, c.veths)
	cloned := false
	for i := range s.Containers {
		id := s.Containers[i].ID
		names := slices.Clone(c.byHand[id].told())
		if len(names) == 0 {
			names = ends[id]
		}
		if len(names) == 0 {
			continue
		}
		if !cloned {
			s.Containers, cloned = slices.Clone(s.Containers), true // others have them, too
		}
		s.Containers[i].ByHand = names
	}
}

// handmadeEnds finds veths into a container's network namespace that are no port of a
// bridge of the engine's, by container. The namespace is known by the veths that are: their
// other end has the Ethernet address of the container's endpoint.
func handmadeEnds(s *netinfo.Snapshot, veths []hostnet.Veth) map[string][]string {
	bridges, engines := map[string]bool{}, map[int]bool{}
	for _, n := range s.Networks {
		bridges[n.Bridge] = n.Bridge != ""
	}
	for _, l := range s.Links {
		if l.Kind == "bridge" {
			engines[l.Index] = bridges[l.Name]
		}
	}
	var strays []hostnet.Veth
	for _, v := range veths {
		if !engines[v.Master] {
			strays = append(strays, v)
		}
	}
	if len(strays) == 0 {
		return nil // on most hosts: what follows grows with the containers
	}
	links := make(map[int]netinfo.Link, len(s.Links))
	for _, l := range s.Links {
		links[l.Index] = l
	}
	owners := map[string]string{}
	for _, ct := range s.Containers {
		for _, e := range ct.Endpoints {
			owners[e.MAC] = ct.ID
		}
	}
	namespaces := map[int]string{}
	for _, v := range veths {
		if id := owners[links[v.Index].Peer]; engines[v.Master] && id != "" {
			namespaces[v.Namespace] = id
		}
	}
	ends := map[string][]string{}
	for _, v := range strays {
		// The engine's own is no port of a bridge for its first moment.
		if id := namespaces[v.Namespace]; id != "" && links[v.Index].Name != "" && (v.Master != 0 || !strings.HasPrefix(links[v.Index].Name, "veth")) {
			ends[id] = append(ends[id], links[v.Index].Name)
		}
	}
	for id := range ends {
		slices.Sort(ends[id])
	}
	return ends
}
