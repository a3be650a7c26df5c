package netinfo

import (
	"net/netip"
	"regexp"
	"slices"
)

// Addr and Prefix are netip's, named here because facts are made of them.
type (
	Addr   = netip.Addr
	Prefix = netip.Prefix
)

// Link is a network interface of the host's namespace.
type Link struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	// Kind is the kernel's link kind ("bridge", "veth", "vlan", "wireguard");
	// empty for a plain device.
	Kind string `json:"kind,omitempty"`
	// Master is the index of the bridge or bond this link is a port of; 0 if none.
	Master int  `json:"master,omitempty"`
	Up     bool `json:"up,omitempty"`
	// Addrs are the link's addresses with their prefix length, host bits kept
	// (192.0.2.7/24), link-local ones included.
	Addrs []Prefix `json:"addrs,omitempty"`
	// Unplaced reports whether the engine has not been asked since the link came
	// whether it is one of its bridges. Such a link is treated as if it were.
	Unplaced bool `json:"unplaced,omitempty"`
	// Peer is the Ethernet address (02:42:ac:11:00:02) that the other end of this
	// veth had when a container's network got it. It never changes afterwards, even
	// if the container gives its end another address. Empty: the link is no veth
	// into another network namespace, or two ports of one bridge claim the address.
	Peer string `json:"peer,omitempty"`
	// Stray reports whether this is a veth that has been a port of a Docker network's
	// bridge for some time, and belongs to no container that the engine tells of: an
	// image build's, or one that an operator made. Of the latter Peer may be empty.
	Stray bool `json:"stray,omitempty"`
}

// dockerNamed matches the names that Docker picks for bridges itself.
var dockerNamed = regexp.MustCompile(`^(docker0|docker_gwbridge|br-[0-9a-f]{12})$`)

// DockerNamed reports whether a bridge is called as Docker, or another engine after its
// example (nerdctl), calls one that the operator gave no name.
func DockerNamed(name string) bool { return dockerNamed.MatchString(name) }

// MasterOf returns the bridge, bond or team that the interface of this name is a port
// of; false if it is a port of none. Packets that a port receives come in by its
// master: no rule sees the port's name.
func MasterOf(links []Link, name string) (Link, bool) {
	i := slices.IndexFunc(links, func(l Link) bool { return l.Name == name && l.Master != 0 })
	if i < 0 || name == "" {
		return Link{}, false
	}
	j := slices.IndexFunc(links, func(l Link) bool {
		return l.Index == links[i].Master && (l.Kind == "bridge" || l.Kind == "bond" || l.Kind == "team")
	})
	if j < 0 {
		return Link{}, false
	}
	return links[j], true
}

func (l *Link) normalize() {
	slices.SortFunc(l.Addrs, func(a, b Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	l.Addrs = slices.Compact(l.Addrs)
}
