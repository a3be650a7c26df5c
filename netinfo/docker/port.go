package docker

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo"
)

// parsePort reads one binding: port is "80/tcp" (or a range, or without
// protocol), hostPort is "8080", "8000-8010" or empty. Equally long ranges on
// both sides are bound one to one, as Docker does.
func parsePort(port, hostIP, hostPort string) ([]netinfo.PublishedPort, error) {
	number, protoName, ok := strings.Cut(port, "/")
	if !ok {
		protoName = "tcp"
	}
	proto, err := netinfo.ParseProtocol(strings.ToLower(protoName))
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", port, err)
	}
	first, last, err := parseRange(number)
	if err != nil || first == 0 {
		return nil, fmt.Errorf("port %q: want a number from 1 to 65535", port)
	}
	p := netinfo.PublishedPort{Proto: proto}
	if hostIP != "" {
		if p.HostAddr, err = netip.ParseAddr(strings.Trim(hostIP, "[]")); err != nil {
			return nil, fmt.Errorf("port %q: host address %q: %w", port, hostIP, err)
		}
		p.HostAddr = p.HostAddr.Unmap().WithZone("")
	}
	if p.HostPort, p.HostPortEnd, err = parseRange(hostPort); err != nil {
		return nil, fmt.Errorf("port %q: host port %q: %w", port, hostPort, err)
	}
	return spread(p, first, last), nil
}

func spread(p netinfo.PublishedPort, first, last uint16) []netinfo.PublishedPort {
	oneToOne := first != last && p.HostPort != 0 && p.HostPortEnd-p.HostPort == last-first
	low := p.HostPort
	var out []netinfo.PublishedPort
	for c := int(first); c <= int(last); c++ {
		p.ContainerPort = uint16(c)
		if oneToOne {
			p.HostPort = low + uint16(c-int(first))
			p.HostPortEnd = p.HostPort
		}
		out = append(out, p)
	}
	return out
}

// parseRange reads "", "0", "80" or "80-90".
func parseRange(s string) (first, last uint16, err error) {
	if s == "" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		b = a
	}
	x, err := strconv.ParseUint(a, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	y, err := strconv.ParseUint(b, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	if y < x {
		return 0, 0, fmt.Errorf("range %q ends before it begins", s)
	}
	return uint16(x), uint16(y), nil
}

// inForce are the ports of a container now: what was given to a running one
// says more than what was asked for, port by port. A port that was asked for on
// every address and is listed for one family only is kept for the other: the
// engine lists the families one after the other while it binds them.
func inForce(asked, given []netinfo.PublishedPort) []netinfo.PublishedPort {
	type inside struct {
		proto netinfo.Protocol
		port  uint16
	}
	at := make(map[inside]served, len(given))
	for i, g := range given {
		k := inside{g.Proto, g.ContainerPort}
		at[k] = at[k].with(&given[i])
	}
	out := slices.Clone(given)
	for _, a := range asked {
		s := at[inside{a.Proto, a.ContainerPort}]
		switch {
		case !s.v4 && !s.v6:
			out = append(out, a)
		case a.HostAddr.IsValid() || s.everywhere == nil || s.v4 && s.v6:
		default:
			other := *s.everywhere
			other.HostAddr = netip.IPv6Unspecified()
			if s.v6 {
				other.HostAddr = netip.IPv4Unspecified()
			}
			out = append(out, other)
		}
	}
	return out
}

// served is in which families a container's port was given.
type served struct {
	v4, v6     bool
	everywhere *netinfo.PublishedPort // the last that is on every address of one
}

func (s served) with(g *netinfo.PublishedPort) served {
	s.v4 = s.v4 || !g.HostAddr.IsValid() || g.HostAddr.Is4()
	s.v6 = s.v6 || !g.HostAddr.IsValid() || g.HostAddr.Is6()
	if g.HostAddr.IsValid() && g.HostAddr.IsUnspecified() {
		s.everywhere = g
	}
	return s
}
