package facts

import (
	"cmp"
	"slices"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/docker"
)

// memory is what is kept of the time when the engine last answered.
type memory struct {
	// last is the engine's last answer, and the links of that moment.
	last netinfo.Snapshot
	// seen reports whether last's links are of this boot, and may be compared with.
	seen bool
	// suspect are the IDs of networks whose addresses may have changed hands
	// since.
	suspect map[string]bool
	// bridges are those there are, and when each was seen first; zero if it was
	// there when this run began.
	bridges map[bridgeLink]time.Time
	// absent are the networks whose bridge is not there, and since when.
	absent map[string]time.Time
	// atOnce: a bridge that is not there counts as missing at the first look.
	atOnce bool
	// dialled is what the host dialled where no container is known.
	dialled hostDials
}

type bridgeLink struct {
	index int
	name  string
}

// placing is how long after a bridge came the engine must have been asked for it
// to be believed that it is none of its own: it makes the bridge of a network
// some time before it lists the network.
const placing = time.Second

// remember starts from what an earlier run knew.
func remember(last netinfo.Snapshot) memory {
	// What an earlier boot left has no links to compare with.
	return memory{last: last, seen: len(last.Links) > 0, suspect: map[string]bool{}}
}

// assemble puts the engine's and the kernel's facts together. ask is how long
// from now the engine is to be asked which networks there are; 0 if no need.
func (m *memory) assemble(f docker.Facts, links []netinfo.Link, now time.Time) (s netinfo.Snapshot, ask time.Duration) {
	m.meet(links, now)
	s = netinfo.Snapshot{Engine: f.Engine, Networks: f.Networks, Containers: f.Containers, Links: links}
	if f.Engine.Connected {
		if f.Engine.Podman {
			s.Networks = withRealBridges(s.Networks, links)
		}
		m.last = netinfo.Snapshot{Engine: f.Engine, Networks: s.Networks, Containers: f.Containers, Links: links}
		m.seen = true
		clear(m.suspect)
		ask = m.markNew(&s, f.Listed, now)
		return s, cmp.Or(ask, m.markMissing(&s, now))
	}
	if !f.Engine.Known {
		// The engine was not reached in this run: an earlier one's knowledge.
		s.Networks, s.Containers = m.last.Networks, m.last.Containers
		s.Engine.Known = m.last.Engine.Known
		s.Engine.FirewallBackend = m.last.Engine.FirewallBackend
		s.Engine.Version = m.last.Engine.Version
	}
	if !m.seen {
		// The first look: what is there now is taken for what its name says,
		// and compared with from now on.
		m.last.Links, m.seen = links, true
	}
	s.Links = slices.Clone(s.Links)
	m.markUnplaced(s.Links)
	m.suspectNetworks(s)
	s.Containers = m.withoutSuspects(s.Containers)
	return s, 0
}

// meet notes bridges that came, and forgets those that went.
func (m *memory) meet(links []netinfo.Link, now time.Time) {
	before := m.bridges
	if before == nil {
		now = time.Time{}
	}
	m.bridges = map[bridgeLink]time.Time{}
	for _, l := range links {
		if l.Kind != "bridge" {
			continue
		}
		b := bridgeLink{l.Index, l.Name}
		m.bridges[b] = now
		if since, known := before[b]; known {
			m.bridges[b] = since
		}
	}
}

// markNew marks the bridges that came too late for the engine's list, and reports
// when that is to be asked for again.
func (m *memory) markNew(s *netinfo.Snapshot, listed, now time.Time) (ask time.Duration) {
	cloned := false
	for i, l := range s.Links {
		since, there := m.bridges[bridgeLink{l.Index, l.Name}]
		if !there || since.IsZero() || listed.Sub(since) >= placing ||
			slices.ContainsFunc(s.Networks, func(n netinfo.Network) bool { return n.Bridge == l.Name }) {
			continue
		}
		if !cloned {
			s.Links, cloned = slices.Clone(s.Links), true
		}
		s.Links[i].Unplaced = true
		ask = max(ask, since.Add(placing).Sub(now), time.Millisecond)
	}
	return ask
}

// markUnplaced marks the bridges that were not there when the engine last told
// which are its own.
func (m *memory) markUnplaced(links []netinfo.Link) {
	for i, l := range links {
		links[i].Unplaced = l.Kind == "bridge" && !slices.ContainsFunc(m.last.Links, func(o netinfo.Link) bool {
			return o.Index == l.Index && o.Name == l.Name
		})
	}
}

// suspectNetworks finds bridges that got a new port: a container was started
// that the engine has not told of, perhaps with the address of one that it has.
func (m *memory) suspectNetworks(s netinfo.Snapshot) {
	bridges := map[int]string{}
	for _, l := range s.Links {
		for _, n := range s.Networks {
			if n.Bridge == l.Name {
				bridges[l.Index] = n.ID
			}
		}
	}
	for _, l := range s.Links {
		id, port := bridges[l.Master]
		if port && l.Master != 0 && !slices.ContainsFunc(m.last.Links, func(o netinfo.Link) bool { return o.Index == l.Index }) {
			m.suspect[id] = true
		}
	}
}

func (m *memory) withoutSuspects(cs []netinfo.Container) []netinfo.Container {
	if len(m.suspect) == 0 {
		return cs
	}
	cs = slices.Clone(cs)
	for i := range cs {
		cs[i].Endpoints = slices.DeleteFunc(slices.Clone(cs[i].Endpoints), func(e netinfo.Endpoint) bool { return m.suspect[e.NetworkID] })
	}
	return cs
}
