package facts

import "dockwall/netinfo"

// portSet is a set of ports of the protocols that Docker publishes. A container
// may publish all of them. The nil set is empty.
type portSet struct {
	tcp, udp, sctp ports
	some           bool
}

// ports has a bit for each port.
type ports [1 << 16 / 64]uint64

func (s *portSet) any() bool { return s != nil && s.some }

func (s *portSet) has(proto netinfo.Protocol, port uint16) bool {
	if s == nil {
		return false
	}
	p := s.ports(proto)
	return p != nil && p[port/64]&(1<<(port%64)) != 0
}

// add adds the host ports that p may be.
func (s *portSet) add(p netinfo.PublishedPort) {
	in := s.ports(p.Proto)
	if p.HostPort == 0 || in == nil {
		return
	}
	s.some = true
	for port := int(p.HostPort); port <= int(max(p.HostPort, p.HostPortEnd)); port++ {
		in[port/64] |= 1 << (port % 64)
	}
}

func (s *portSet) ports(proto netinfo.Protocol) *ports {
	switch proto {
	case netinfo.TCP:
		return &s.tcp
	case netinfo.UDP:
		return &s.udp
	case netinfo.SCTP:
		return &s.sctp
	}
	return nil
}

// publishes returns the ports that containers without an address would publish,
// and those that any container publishes: if dockerd holds published ports itself
// (userland-proxy=false), these are not its own.
func publishes(cs []netinfo.Container) (wanted, published *portSet) {
	wanted, published = new(portSet), new(portSet)
	for at := range cs {
		c := &cs[at] // a copy of each costs more than all the rest
		if c.HostNetwork {
			continue // Docker publishes nothing, whatever was asked for
		}
		idle := len(c.Endpoints) == 0 && c.SharesWith == ""
		for _, p := range c.Ports {
			published.add(p)
			if idle {
				wanted.add(p)
			}
		}
	}
	return wanted, published
}
