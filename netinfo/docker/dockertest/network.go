package dockertest

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Network is what a network is made with.
type Network struct {
	Name     string
	Driver   string // bridge if empty
	Subnet   string // for bridge: the next free of 10.0.0.0/8 if empty
	Subnet6  string
	Internal bool
	Options  map[string]string
}

type segment struct {
	Network
	id     string
	places []*place
	taken  map[netip.Addr]bool
}

// place is an endpoint.
type place struct {
	id     string
	key    string // how NetworkInspect lists it: the container's ID, or "ep-..."
	name   string
	c      *container
	v4, v6 netip.Addr
	mac    string
}

// CreateNetwork makes a network and returns its ID.
func (e *Engine) CreateNetwork(n Network) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.addNetwork(n)
	e.emit("network", "create", s.id, map[string]string{"name": s.Name, "type": s.Driver})
	return s.id
}

func (e *Engine) addNetwork(n Network) *segment {
	n.Driver = cmp.Or(n.Driver, "bridge")
	s := &segment{Network: n, id: e.newID(), taken: map[netip.Addr]bool{}}
	if s.Driver != "host" && s.Driver != "null" && s.Subnet == "" {
		s.Subnet = fmt.Sprintf("10.%d.0.0/16", len(e.nets)%256)
	}
	e.nets = append(e.nets, s)
	return s
}

// RemoveNetwork removes a network without containers.
func (e *Engine) RemoveNetwork(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.net(id)
	e.nets = slices.DeleteFunc(e.nets, func(n *segment) bool { return n == s })
	e.emit("network", "destroy", s.id, map[string]string{"name": s.Name, "type": s.Driver})
}

// NetworkID is the ID of the network with this name.
func (e *Engine) NetworkID(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.net(name).id
}

// net finds a network by name or ID; a test that names another is wrong.
func (e *Engine) net(ref string) *segment {
	for _, n := range e.nets {
		if n.id == ref || n.Name == ref {
			return n
		}
	}
	panic("dockertest: no network " + ref)
}

// join gives the container a place on the network, with the lowest free
// addresses.
func (e *Engine) join(c *container, s *segment) *place {
	p := &place{id: e.newID(), key: c.id, name: c.Name, c: c}
	p.v4, p.v6 = s.lowest(s.Subnet), s.lowest(s.Subnet6)
	if p.v4.IsValid() {
		b := p.v4.As4()
		p.mac = fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])
	}
	s.places = append(s.places, p)
	return p
}

func (s *segment) lowest(subnet string) netip.Addr {
	if subnet == "" {
		return netip.Addr{}
	}
	// .1 is the gateway's.
	a := netip.MustParsePrefix(subnet).Addr().Next().Next()
	for s.taken[a] {
		a = a.Next()
	}
	s.taken[a] = true
	return a
}

// part frees the container's place and its addresses; false if it had none.
func (s *segment) part(c *container) bool {
	i := slices.IndexFunc(s.places, func(p *place) bool { return p.c == c })
	if i < 0 {
		return false
	}
	delete(s.taken, s.places[i].v4)
	delete(s.taken, s.places[i].v6)
	s.places = slices.Delete(s.places, i, i+1)
	return true
}

func (s *segment) of(c *container) *place {
	for _, p := range s.places {
		if p.c == c {
			return p
		}
	}
	return nil
}

// Addrs are the container's addresses now, in order of its networks.
func (e *Engine) Addrs(id string) []netip.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	var as []netip.Addr
	for _, s := range e.held(e.cont(id)) {
		p := s.of(e.cont(id))
		for _, a := range []netip.Addr{p.v4, p.v6} {
			if a.IsValid() {
				as = append(as, a)
			}
		}
	}
	return as
}

// Dispute makes the network list another endpoint, under key and name, with the
// container's addresses, as an engine does that is half done with something.
// What it returns undoes that.
func (e *Engine) Dispute(id, network, key, name string) (undo func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.net(network)
	was := s.of(e.byID[id])
	p := &place{id: e.newID(), key: key, name: name, v4: was.v4, v6: was.v6, mac: was.mac}
	s.places = append(s.places, p)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		s.places = slices.DeleteFunc(s.places, func(x *place) bool { return x == p })
	}
}

// Attach adds an endpoint that is no container's own, such as the gateway
// endpoints on docker_gwbridge.
func (e *Engine) Attach(network, key, name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.net(network)
	p := &place{id: e.newID(), key: key, name: name}
	p.v4, p.v6 = s.lowest(s.Subnet), s.lowest(s.Subnet6)
	s.places = append(s.places, p)
}
