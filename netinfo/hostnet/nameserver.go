package hostnet

import (
	"net/netip"
	"slices"
	"strings"
)

// Where the host's name servers are written. If the first file names systemd-resolved's
// loopback address alone, dockerd reads the second (libnetwork/resolvconf, Path).
const (
	resolvConf         = "/etc/resolv.conf"
	resolvedResolvConf = "/run/systemd/resolve/resolv.conf"
)

// resolvedStub is where systemd-resolved listens.
var resolvedStub = netip.AddrFrom4([4]byte{127, 0, 0, 53})

// defaultNameServers are dockerd's own, where the host has none that a container can
// reach (libnetwork/resolvconf, defaultIPv4Dns and defaultIPv6Dns).
var defaultNameServers = []netip.Addr{netip.AddrFrom4([4]byte{8, 8, 8, 8}), netip.AddrFrom4([4]byte{8, 8, 4, 4}),
	netip.MustParseAddr("2001:4860:4860::8888"), netip.MustParseAddr("2001:4860:4860::8844")}

// NameServers returns, sorted, those that dockerd gives to containers which were given
// none: the ones in the settings of the dockerds that Dockerd found when it last looked,
// otherwise the host's. Loopback addresses are left out, since dockerd asks those itself,
// from the host, and link-local ones, which mean another host on every link.
func (s *Scanner) NameServers() []netip.Addr {
	servers := reachable(parseAddrs(s.dns))
	if len(s.dns) == 0 {
		servers = s.hostNameServers()
	}
	slices.SortFunc(servers, netip.Addr.Compare)
	return slices.Compact(servers)
}

func (s *Scanner) hostNameServers() []netip.Addr {
	all := s.resolvers(resolvConf)
	if len(all) > 0 && !slices.ContainsFunc(all, func(a netip.Addr) bool { return a != resolvedStub }) {
		all = s.resolvers(resolvedResolvConf)
	}
	if found := reachable(all); len(found) > 0 {
		return found
	}
	return slices.Clone(defaultNameServers)
}

// resolvers returns what the nameserver lines of the file name; none if it cannot be
// read.
func (s *Scanner) resolvers(path string) []netip.Addr {
	text, err := s.files.get(path)
	if err != nil {
		return nil
	}
	var words []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			words = append(words, f[1])
		}
	}
	return parseAddrs(words)
}

func parseAddrs(words []string) (all []netip.Addr) {
	for _, w := range words {
		if a, err := netip.ParseAddr(w); err == nil {
			all = append(all, a.Unmap().WithZone(""))
		}
	}
	return all
}

func reachable(all []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(all, func(a netip.Addr) bool { return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() })
}
