package docker

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	"dockwall/netinfo"
)

// segment is what is known about one network and its containers.
type segment struct {
	facts  netinfo.Network
	born   uint64    // when it was first heard of
	read   uint64    // when the read was begun that was believed last
	readAt time.Time // the same by the clock
	asked  time.Time // when a caller of Addr last had it read
	// listed are the addresses that this read gave to containers, those that are joining and
	// those that are not believed included.
	listed []netip.Addr
	places map[string]netinfo.Endpoint // by holder
	// lost holds which holders were disconnected, and when: a read begun before
	// does not bring them back.
	lost map[string]uint64
	// dead are endpoint IDs whose process has ended, and since when: no read
	// brings them back, the engine may not have noticed yet.
	dead map[string]uint64
}

// network returns the segment, making it if need be.
func (b *book) network(id string) *segment {
	if n, ok := b.nets[id]; ok {
		return n
	}
	n := &segment{
		facts: netinfo.Network{ID: id}, born: b.tick(),
		places: map[string]netinfo.Endpoint{}, lost: map[string]uint64{}, dead: map[string]uint64{},
	}
	b.nets[id] = n
	return n
}

// describe sets what is known of the network itself.
func (b *book) describe(n *segment, f netinfo.Network) {
	s := netinfo.Snapshot{Networks: []netinfo.Network{f}}
	s.Normalize()
	if reflect.DeepEqual(n.facts, f) {
		return
	}
	n.facts = f
	b.dirty = true
	b.version++
}

// dropNetwork forgets a network and every address on it.
func (b *book) dropNetwork(id string) {
	n, ok := b.nets[id]
	if !ok {
		return
	}
	delete(b.nets, id)
	b.dirty = true
	b.version++
	b.refresh(n.holders())
}

// at gives the container's place on the network. Gateway endpoints are on
// docker_gwbridge alone.
func (n *segment) at(r *record) (netinfo.Endpoint, bool) {
	e, ok := n.places[r.id]
	if !ok && n.facts.Name == "docker_gwbridge" {
		e, ok = n.places[r.gateway]
	}
	return e, ok
}

func (n *segment) holders() []string {
	out := make([]string, 0, len(n.places))
	for h := range n.places {
		out = append(out, h)
	}
	return out
}

// refresh rebuilds the containers behind these holders.
func (b *book) refresh(holders []string) {
	for _, h := range holders {
		if r, ok := b.conts[h]; ok {
			b.rebuild(r)
			continue
		}
		for _, r := range b.order {
			if r.gateway == h {
				b.rebuild(r)
			}
		}
	}
}

// networkMissing takes that a read begun at begun found no such network.
func (b *book) networkMissing(id string, begun uint64) {
	if n, ok := b.nets[id]; ok && n.born < begun && n.read < begun {
		b.dropNetwork(id)
	}
}

// seen takes what reading a network that was begun at begun showed. Removals
// and additions become visible together, so that an address that moved from one
// container to another is never with both.
func (b *book) seen(v view, begun uint64) todo {
	id := v.facts.ID
	if b.gone[id] > begun {
		return todo{}
	}
	n := b.network(id)
	if n.read > begun {
		return todo{}
	}
	n.read, n.listed = begun, v.addrs()
	b.describe(n, v.facts)
	n.bury(v.endpoints, begun)
	listed, twice := b.accept(n, v.endpoints, begun)
	var changed []string
	for h := range n.places {
		if _, ok := listed[h]; !ok {
			changed = append(changed, h)
		}
	}
	for h, e := range listed {
		if old, ok := n.places[h]; !ok || !sameEndpoint(old, e) {
			changed = append(changed, h)
		}
	}
	n.places = listed
	b.refresh(changed)
	if twice {
		return todo{later: []string{id}}
	}
	return todo{}
}

// bury forgets marks that have done their work: what the engine no longer
// lists, and what was lost before this read began.
func (n *segment) bury(claims []claim, begun uint64) {
	for ep, at := range n.dead {
		listed := slices.ContainsFunc(claims, func(c claim) bool { return c.ep.ID == ep })
		if !listed && at < begun {
			delete(n.dead, ep)
		}
	}
	for h, at := range n.lost {
		if at < begun {
			delete(n.lost, h)
		}
	}
}

// accept gives the claims that are believed. An address that two containers
// claim is given to neither: one of them is a leftover, and the next read will
// show which.
func (b *book) accept(n *segment, claims []claim, begun uint64) (map[string]netinfo.Endpoint, bool) {
	listed := make(map[string]netinfo.Endpoint, len(claims))
	owners := make(map[netip.Addr]string, len(claims))
	var disputed map[netip.Addr]bool
	for _, c := range claims {
		if _, dead := n.dead[c.ep.ID]; dead || n.lost[c.holder] > begun || b.left(c.holder) > begun {
			continue
		}
		listed[c.holder] = c.ep
		for _, a := range c.ep.Addrs {
			if o, ok := owners[a]; ok && o != c.holder {
				if disputed == nil {
					disputed = map[netip.Addr]bool{}
				}
				disputed[a] = true
			}
			owners[a] = c.holder
		}
	}
	for a := range disputed {
		withhold(listed, a)
	}
	return listed, len(disputed) > 0
}

func withhold(listed map[string]netinfo.Endpoint, a netip.Addr) {
	for h, e := range listed {
		if !slices.Contains(e.Addrs, a) {
			continue
		}
		e.Addrs = slices.DeleteFunc(slices.Clone(e.Addrs), func(x netip.Addr) bool { return x == a })
		if listed[h] = e; len(e.Addrs) == 0 {
			delete(listed, h)
		}
	}
}

func sameEndpoint(x, y netinfo.Endpoint) bool {
	return x.ID == y.ID && x.MAC == y.MAC && slices.Equal(x.Addrs, y.Addrs)
}

// left returns when the holder was taken off all networks.
func (b *book) left(holder string) uint64 {
	if r, ok := b.conts[holder]; ok {
		return r.left
	}
	if len(holder) == 64 {
		return b.gone[holder]
	}
	for _, r := range b.order {
		if r.gateway == holder {
			return r.left
		}
	}
	return 0
}

// leave takes a container off one network; dead means that its process has
// ended, so that the endpoint is never believed again.
func (b *book) leave(r *record, n *segment, dead bool) bool {
	left := false
	for _, h := range [...]string{r.id, r.gateway} {
		e, ok := n.places[h]
		if !ok {
			continue
		}
		left = true
		if dead && e.ID != "" {
			n.dead[e.ID] = b.clock
		}
		delete(n.places, h)
	}
	return left
}

// vacate takes a container whose process has ended off every network, and has
// it and them read again.
func (b *book) vacate(r *record) todo {
	t := todo{conts: []string{r.id}}
	r.left = b.clock
	for id, n := range b.nets {
		if b.leave(r, n, true) {
			t.nets = append(t.nets, id)
		}
	}
	slices.Sort(t.nets)
	b.rebuild(r)
	return t
}
