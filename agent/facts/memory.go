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
	// waiting: a bridge is there that the engine, which is away, was not asked about.
	waiting bool
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
	seen := len(last.Links) > 0
	// The engine was not asked about these.
	last.Links = slices.DeleteFunc(slices.Clone(last.Links), func(l netinfo.Link) bool { return l.Unplaced })
	return memory{last: last, seen: seen, suspect: map[string]bool{}}
}

// assemble puts the engine's and the kernel's facts together. ask is how long
// from now the engine is to be asked which networks there are; 0 if no need.
func (m *memory) assemble(f docker.Facts, links []netinfo.Link, dockerd absence, now time.Time) (s netinfo.Snapshot, ask time.Duration) {
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
		m.last.Links = slices.DeleteFunc(slices.Clone(links), func(l netinfo.Link) bool { return netinfo.DockerNamed(l.Name) && !named(s.Networks, l.Name) })
		m.seen = true
	}
	s.Links = slices.Clone(s.Links)
	m.markUnplaced(s.Links, dockerd)
	m.suspectNetworks(s)
	s.Containers = m.withoutSuspects(s.Containers)
	return s, 0
}

// meet notes bridges that came, and forgets those that went.
func (m *memory) meet(links []netinfo.Link, now time.Time) {
	before := m.bridges
	m.bridges = map[bridgeLink]time.Time{}
	for _, l := range links {
		if l.Kind != "bridge" {
			continue
		}
		b := bridgeLink{l.Index, l.Name}
		if m.bridges[b] = now; before == nil && (m.atOnce || !netinfo.DockerNamed(l.Name) || m.met(l)) {
			m.bridges[b] = time.Time{}
		}
		if since, known := before[b]; known {
			m.bridges[b] = since
		}
	}
}

// met reports whether the engine was asked since the link came.
func (m *memory) met(l netinfo.Link) bool {
	return among(m.last.Links, l)
}

// among reports whether the link is one of these: it has kept its name.
func among(links []netinfo.Link, l netinfo.Link) bool {
	return slices.ContainsFunc(links, func(o netinfo.Link) bool { return o.Index == l.Index && o.Name == l.Name })
}

// named reports whether one of the networks has a bridge of this name.
func named(networks []netinfo.Network, bridge string) bool {
	return slices.ContainsFunc(networks, func(n netinfo.Network) bool { return n.Bridge == bridge })
}

// hasTap reports whether a virtual machine is plugged to the bridge: a tap is one of its
// ports. No engine puts one on its bridge, and a network's is there before its containers'.
func hasTap(links []netinfo.Link, bridge int) bool {
	return slices.ContainsFunc(links, func(l netinfo.Link) bool { return l.Master == bridge && l.Kind == "tun" })
}

// markNew marks the bridges that came too late for the engine's list, and reports
// when that is to be asked for again.
func (m *memory) markNew(s *netinfo.Snapshot, listed, now time.Time) (ask time.Duration) {
	cloned := false
	for i, l := range s.Links {
		since, there := m.bridges[bridgeLink{l.Index, l.Name}]
		if !there || since.IsZero() || listed.Sub(since) >= placing || named(s.Networks, l.Name) || hasTap(s.Links, l.Index) {
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
// which are its own, except those that came while no dockerd ran, or that have a
// virtual machine: these are remembered as none of its own.
func (m *memory) markUnplaced(links []netinfo.Link, d absence) {
	m.waiting = false
	for i, l := range links {
		switch {
		case l.Kind != "bridge" || m.met(l):
		case hasTap(links, l.Index) || d.covers(m.bridges[bridgeLink{l.Index, l.Name}]):
			m.last.Links = append(slices.Clip(m.last.Links), l)
		default:
			links[i].Unplaced, m.waiting = true, true
		}
	}
}

// absence is the time in which no dockerd ran, as far as it is known: from the look at the
// processes that missed it to the last one. Zero if dockerd runs, or none was ever seen.
type absence struct{ from, to time.Time }

// covers reports whether no dockerd ran when a bridge came that was first seen at since.
func (d absence) covers(since time.Time) bool {
	return !d.from.IsZero() && !since.IsZero() && d.from.Before(since) && d.to.Sub(since) >= owedAfter
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
