package picture

import (
	"fmt"
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules/policy"
)

// Network is a Docker network and its containers.
type Network struct {
	// Name is empty for what is on no network.
	Name    string         `json:"name"`
	Driver  string         `json:"driver,omitempty"`
	Bridge  string         `json:"bridge,omitempty"`
	Subnets []netip.Prefix `json:"subnets"`
	// Internal: Docker lets nothing in or out.
	Internal bool `json:"internal,omitempty"`
	// Covered reports whether its traffic meets the host's rules.
	Covered bool `json:"covered"`
	// Between is what its containers may of each other, Pairs which may where
	// not all do.
	Between State  `json:"between,omitempty"`
	Pairs   []Pair `json:"pairs"`
	// Straight is what is dialled from outside at a container's own address,
	// past its published ports.
	Straight State    `json:"straight,omitempty"`
	Members  []Member `json:"members"`
}

// Member is a container's place on a network.
type Member struct {
	Container string       `json:"container"`
	Addrs     []netip.Addr `json:"addrs"`
	// Index is the container's place in the picture's list.
	Index int `json:"-"`
	// Home: this is the network that its published ports are drawn on.
	Home bool `json:"home"`
	// Outside is what it may reach outside by this network, Host what of the
	// host's own services.
	Outside Exit `json:"outside"`
	Host    Exit `json:"host"`
}

// networkList are the networks with containers or a bridge of their own,
// then what is on none: the host's own network, and what is not running.
func (x *prober) networkList() []Network {
	out := []Network{}
	homes := x.homes()
	for i := range x.s.Networks {
		n := &x.s.Networks[i]
		one := x.network(n, homes)
		if n.Bridge != "" || len(one.Members) > 0 {
			out = append(out, one)
		}
	}
	return append(out, x.onNone()...)
}

// homes says for each container which network its ports are drawn on: the
// first that Docker may lead them through, otherwise the first of all.
func (x *catalog) homes() map[string]string {
	homes := map[string]string{}
	for _, leads := range []bool{true, false} {
		for _, n := range x.s.Networks {
			for _, c := range x.s.Containers {
				on := slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool { return e.NetworkID == n.ID })
				if on && homes[c.ID] == "" && (!leads || n.Bridge != "" && !n.Internal) {
					homes[c.ID] = n.ID
				}
			}
		}
	}
	return homes
}

func (x *prober) network(n *netinfo.Network, homes map[string]string) Network {
	out := Network{Name: n.Name, Driver: n.Driver, Bridge: n.Bridge, Internal: n.Internal, Covered: n.Bridge != "",
		Subnets: append([]netip.Prefix{}, n.Subnets...), Pairs: []Pair{}, Members: []Member{}}
	var seats []seat
	for _, i := range x.order {
		c := &x.s.Containers[i]
		for _, e := range c.Endpoints {
			if e.NetworkID != n.ID {
				continue
			}
			m := Member{Container: c.Name, Addrs: append([]netip.Addr{}, e.Addrs...), Index: i, Home: homes[c.ID] == n.ID,
				Outside: Exit{State: NotCovered, By: []string{}}, Host: Exit{State: NotCovered, By: []string{}}}
			s := seat{network: n, container: c, endpoint: e, index: len(out.Members)}
			if out.Covered {
				m.Outside, m.Host = x.exits(s)
			}
			seats = append(seats, s)
			out.Members = append(out.Members, m)
		}
	}
	if out.Covered {
		out.Between, out.Pairs = x.between(seats)
		out.Straight = x.straight(n, seats)
	}
	return out
}

// seat is a container's place on a network, in the facts.
type seat struct {
	network   *netinfo.Network
	container *netinfo.Container
	endpoint  netinfo.Endpoint
	// index is the member's in its network.
	index int
}

// straight dials an unpublished port of the network's first address.
func (x *prober) straight(n *netinfo.Network, seats []seat) State {
	addrs := []netip.Addr{}
	for _, s := range seats {
		addrs = append(addrs, s.endpoint.Addrs...)
	}
	if len(addrs) == 0 {
		for _, p := range n.Subnets {
			addrs = append(addrs, p.Masked().Addr().Next().Next())
		}
	}
	open, shut := false, false
	done := [2]bool{}
	for _, a := range addrs {
		i := 0
		if a.Is6() {
			i = 1
		}
		if done[i] {
			continue
		}
		done[i] = true
		for _, answers := range x.judge(target{a, x.unpublished(seats), netinfo.TCP}) {
			for _, ans := range answers {
				open, shut = open || ans.seen && ans.pass, shut || ans.seen && !ans.pass
			}
		}
	}
	return stateOf(open, shut)
}

// unpublished is a port that none of the containers publishes of its own.
func (x *catalog) unpublished(seats []seat) uint16 {
	for n := uint16(1); n < 65535; n++ {
		if !slices.ContainsFunc(seats, func(s seat) bool {
			return slices.ContainsFunc(s.container.Ports, func(p netinfo.PublishedPort) bool { return p.ContainerPort == n })
		}) {
			return n
		}
	}
	return 65535
}

// stateOf sums up what passed and what did not.
func stateOf(open, shut bool) State {
	switch {
	case open && shut:
		return Some
	case open:
		return Open
	}
	return Closed
}

// onNone are the containers without an address on any network.
func (x *catalog) onNone() []Network {
	host := Network{Name: "host", Driver: "host", Subnets: []netip.Prefix{}, Pairs: []Pair{}, Members: []Member{}}
	none := Network{Subnets: []netip.Prefix{}, Pairs: []Pair{}, Members: []Member{}}
	for _, i := range x.order {
		c := &x.s.Containers[i]
		m := Member{Container: c.Name, Addrs: []netip.Addr{}, Index: i, Home: true, Outside: Exit{By: []string{}}, Host: Exit{By: []string{}}}
		switch {
		case len(c.Endpoints) > 0:
		case c.HostNetwork && c.Running():
			host.Members = append(host.Members, m)
		default:
			none.Members = append(none.Members, m)
		}
	}
	var out []Network
	for _, n := range []Network{host, none} {
		if len(n.Members) > 0 {
			out = append(out, n)
		}
	}
	return out
}

// question is an attempt by the container from this address.
func (s *seat) question(from, dest netip.Addr, port uint16, proto netinfo.Protocol) policy.Question {
	return policy.Question{NIC: s.network.Bridge, Source: from, Container: s.container.ID, Dest: dest, Port: port, Proto: proto}
}

// warnings say what makes the picture less than the truth.
func (x *prober) warnings() []string {
	out := []string{}
	e := x.s.Engine
	switch {
	case !e.Known:
		out = append(out, "Docker did not answer: its networks and containers are not known.")
	case !e.Connected:
		out = append(out, "Docker did not answer: its networks and containers are drawn as last seen.")
	}
	if x.undecided > 0 {
		out = append(out, fmt.Sprintf("What becomes of %d kinds of packets cannot be told; they are drawn as closed.", x.undecided))
	}
	return out
}
