package hostnet

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo"
)

// Proxy is a docker-proxy process: a published port that is served by the host
// itself, in INPUT, whatever the nat table says.
type Proxy struct {
	Proto netinfo.Protocol
	// HostAddr is what it listens on; unspecified: every address of its family.
	HostAddr      netip.Addr
	HostPort      uint16
	ContainerAddr netip.Addr
	ContainerPort uint16
	PID           int
}

// errNotProxy carries no details: it is made for every other process.
var errNotProxy = errors.New("not docker-proxy's arguments")

// Proxies finds the docker-proxy processes of this network namespace that a
// dockerd of this host started, sorted. The error is about /proc as a whole; a
// process that ends during the scan is no error.
func (s *Scanner) Proxies() ([]Proxy, error) {
	if err := s.refresh(); err != nil {
		return nil, err
	}
	return s.proxies(), nil
}

// proxies gives what the last refresh found.
func (s *Scanner) proxies() []Proxy {
	found := s.of(proxyRole)
	proxies := make([]Proxy, 0, len(found))
	for _, p := range found {
		if proxy, err := parseProxy(p.args); err == nil {
			proxy.PID = p.pid
			proxies = append(proxies, proxy)
		}
	}
	slices.SortFunc(proxies, func(a, b Proxy) int {
		return cmp.Or(a.HostAddr.Compare(b.HostAddr), cmp.Compare(a.Proto, b.Proto),
			cmp.Compare(a.HostPort, b.HostPort), cmp.Compare(a.PID, b.PID))
	})
	return proxies
}

// proxyArguments recognises docker-proxy's command line.
func proxyArguments(args []string) bool {
	_, err := parseProxy(args)
	return err == nil
}

// parseProxy reads docker-proxy's arguments: -proto tcp -host-ip 0.0.0.0
// -host-port 8080 -container-ip 172.17.0.2 -container-port 80, in Go's flag
// syntax (one dash or two, "=" or a space). Others are passed over.
func parseProxy(args []string) (Proxy, error) {
	var p Proxy
	var err error
	for i := 0; i < len(args) && err == nil; i++ {
		name, value, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		if strings.HasPrefix(args[i], "-") {
			err = p.set(name, value)
		}
	}
	if err == nil && (p.Proto == 0 || !p.HostAddr.IsValid() || p.HostPort == 0 || p.ContainerPort == 0) {
		err = errNotProxy
	}
	return p, err
}

func (p *Proxy) set(name, value string) (err error) {
	switch name {
	case "proto":
		p.Proto, err = netinfo.ParseProtocol(value)
	case "host-ip":
		p.HostAddr, err = netip.ParseAddr(value)
	case "host-port":
		p.HostPort, err = parsePort(value)
	case "container-ip":
		p.ContainerAddr, err = netip.ParseAddr(value)
	case "container-port":
		p.ContainerPort, err = parsePort(value)
	}
	return err
}

func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	return uint16(port), err
}
