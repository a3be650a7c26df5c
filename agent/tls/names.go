package tls

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Names are the names that a server's certificate is valid for. Clients compare
// the address or name that they dial with these; the common name means nothing
// to any current one.
type Names struct {
	DNS   []string     `json:"dns"`
	Addrs []netip.Addr `json:"addresses"`
}

// LocalNames are those that every server's certificate has.
func LocalNames() Names {
	return Names{DNS: []string{"localhost"}, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}}
}

var dnsName = regexp.MustCompile(`^(\*\.)?[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*$`)

// Add adds a name or an address as an operator writes it; "DNS:" and "IP:" may
// stand before it, as openssl writes them. dockerd does not start with a name
// that ends in a dot (moby #51367), so the dot goes.
func (n *Names) Add(name string) error {
	text, isDNS := strings.CutPrefix(strings.TrimSpace(name), "DNS:")
	text, isIP := strings.CutPrefix(text, "IP:")
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	switch {
	case err == nil && !isDNS:
		return n.addAddr(name, addr.Unmap())
	case isIP:
		return fmt.Errorf("%q is not an address", name)
	}
	text = strings.ToLower(strings.TrimSuffix(text, "."))
	if len(text) > 253 || !dnsName.MatchString(text) || err == nil {
		return fmt.Errorf("%q is neither an address nor a host name; write other letters than a-z in punycode (xn--…)", name)
	}
	if !slices.Contains(n.DNS, text) {
		n.DNS = append(n.DNS, text)
	}
	return nil
}

func (n *Names) addAddr(name string, a netip.Addr) error {
	if a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		return fmt.Errorf("%q is no address that a client can dial from another host", name)
	}
	if !slices.Contains(n.Addrs, a) {
		n.Addrs = append(n.Addrs, a)
	}
	return nil
}

// Merge returns the names of both, each once.
func (n Names) Merge(o Names) Names {
	m := Names{DNS: slices.Clone(n.DNS), Addrs: slices.Clone(n.Addrs)}
	for _, d := range o.DNS {
		if !slices.Contains(m.DNS, d) {
			m.DNS = append(m.DNS, d)
		}
	}
	for _, a := range o.Addrs {
		if !slices.Contains(m.Addrs, a) {
			m.Addrs = append(m.Addrs, a)
		}
	}
	return m
}
