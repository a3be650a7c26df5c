package compile

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
)

// hostPort is a port of the host.
type hostPort struct {
	proto netinfo.Protocol
	port  uint16
}

// services are the listeners that are not dockerd's, by port: a container may
// publish all ports, and each of them is looked up.
type services map[hostPort][]netinfo.Listener

func servicesOf(ls []netinfo.Listener) services {
	s := services{}
	for _, l := range ls {
		if !l.Dockerd {
			at := hostPort{l.Proto, l.Port}
			s[at] = append(s[at], l)
		}
	}
	return s
}

// at reports whether a service has the port on an address that the member covers.
func (s services) at(m rules.Member) bool {
	return slices.ContainsFunc(s[hostPort{m.Proto, m.Port}], func(l netinfo.Listener) bool {
		// A socket on :: serves IPv4 as well.
		all := l.Addr.IsUnspecified() && (l.Addr.Is6() || m.Prefix.Addr().Is4())
		return all || m.Prefix.Contains(l.Addr)
	})
}

// dockerds returns the listeners that are dockerd's own.
func dockerds(ls []netinfo.Listener) []netinfo.Listener {
	var own []netinfo.Listener
	for _, l := range ls {
		if l.Dockerd {
			own = append(own, l)
		}
	}
	return own
}

// changedPorts returns the ports on which the host's own services differ.
func changedPorts(a, b []netinfo.Listener) map[hostPort]bool {
	if slices.Equal(a, b) {
		return nil
	}
	before, after := servicesOf(a), servicesOf(b)
	changed := map[hostPort]bool{}
	for at, ls := range before {
		if !slices.Equal(ls, after[at]) {
			changed[at] = true
		}
	}
	for at := range after {
		if _, there := before[at]; !there {
			changed[at] = true
		}
	}
	return changed
}
