package policy

import (
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// Place is where an address is.
type Place struct {
	Kind PlaceKind
	// Bridge is the Docker bridge that leads there (OnBridge).
	Bridge string
	// Network is the network's name; empty where it is not known.
	Network string
	// Container is who has the address; nil if none is known to.
	Container *netinfo.Container
	// Routed: the address lies behind a container, and a route of the host leads there.
	// Behind is that container, if the route names it; Container is nil.
	Routed  bool
	Behind  *netinfo.Container
	network netinfo.Network
	// claimed: the sender's address is in the network's subnet, and the container uses
	// it without the engine having given it.
	claimed bool
}

// PlaceKind is the sort of a Place.
type PlaceKind string

// The places.
const (
	OnHost   PlaceKind = "host"
	OnBridge PlaceKind = "bridge"
	// OffBridge: a container's address on a Docker network without a bridge.
	OffBridge PlaceKind = "off_bridge"
	Elsewhere PlaceKind = "elsewhere"
)

// Locate returns where an address is: the host's own, on a Docker bridge or behind a
// container there, another Docker network's, or elsewhere.
func Locate(s netinfo.Snapshot, a netip.Addr) Place {
	if isHostAddr(s, a) {
		return Place{Kind: OnHost}
	}
	for i := range s.Containers {
		for _, e := range s.Containers[i].Endpoints {
			if !hasAddr(e, a) {
				continue
			}
			if n, ok := s.Network(e.NetworkID); ok {
				return place(n, &s.Containers[i])
			}
		}
	}
	for _, n := range s.Networks {
		for _, p := range n.Subnets {
			if n.Bridge != "" && p.Contains(a) {
				return place(n, nil)
			}
		}
	}
	for _, l := range s.Links {
		for _, p := range l.Addrs {
			if l.Unplaced && p.Contains(a) {
				return Place{Kind: OnBridge, Bridge: l.Name}
			}
		}
	}
	if p, ok := behind(s, a, ""); ok {
		return p
	}
	return Place{Kind: Elsewhere}
}

// To is the place that the packet goes to. By which of several routes it leaves,
// Out may say.
func (q Question) To(s netinfo.Snapshot) Place {
	at := Locate(s, q.dst())
	if q.Out == "" || at.Kind != Elsewhere && !at.Routed {
		return at
	}
	if p, ok := behind(s, q.dst(), q.Out); ok {
		return p
	}
	if side(s, q.Out) == outside {
		return Place{Kind: Elsewhere}
	}
	return at
}

// behind is the place of an address that a route leads to by a Docker bridge, the
// one that is named unless that is empty. The longest prefix counts, and of equal
// ones that of the bridge: others' may be parts of shorter ones.
func behind(s netinfo.Snapshot, a netip.Addr, bridge string) (Place, bool) {
	var best netinfo.Route
	for _, r := range s.Routes {
		if r.Prefix.Contains(a) && (bridge == "" || r.Link == bridge) && (best.Link == "" || r.Prefix.Bits() > best.Prefix.Bits()) {
			best = r
		}
	}
	for _, r := range s.OtherRoutes {
		if bridge == "" && r.Prefix.Contains(a) && r.Prefix.Bits() > best.Prefix.Bits() {
			return Place{}, false
		}
	}
	for _, n := range s.Networks {
		if n.Bridge != "" && n.Bridge == best.Link {
			p := place(n, nil)
			p.Routed = true
			if best.Gateway.IsValid() {
				p.Behind = Locate(s, best.Gateway).Container
			}
			return p, true
		}
	}
	return Place{}, false
}

func place(n netinfo.Network, c *netinfo.Container) Place {
	p := Place{Kind: OnBridge, Bridge: n.Bridge, Network: n.Name, Container: c, network: n}
	if n.Bridge == "" {
		p.Kind = OffBridge
	}
	return p
}

// sender is the place that a packet comes from when it came in by a Docker
// bridge. A source that belongs to another bridge has no container here. One behind a
// container, such as a VPN's client, is the container's: it was seen to send from there,
// or the host's route leads there by it.
func sender(s netinfo.Snapshot, q Question) Place {
	for _, n := range s.Networks {
		if n.Bridge != q.NIC {
			continue
		}
		from := place(n, nil)
		if from.Container = user(s, n, func(e netinfo.Endpoint) bool { return hasAddr(e, q.Source) }); from.Container != nil {
			return from
		}
		if from.Container = user(s, n, func(e netinfo.Endpoint) bool { return slices.Contains(e.Seen, q.Source) }); from.Container != nil {
			from.claimed = contains(n.Subnets, q.Source)
			return from
		}
		for _, other := range s.Networks {
			if other.Bridge != "" && contains(other.Subnets, q.Source) {
				return from
			}
		}
		from.Container = user(s, n, func(e netinfo.Endpoint) bool { return isGateway(s, n.Bridge, e, q.Source) })
		return from
	}
	return Place{Kind: OnBridge, Bridge: q.NIC}
}

// user is the container of which an endpoint on the network is as asked for.
func user(s netinfo.Snapshot, n netinfo.Network, is func(netinfo.Endpoint) bool) *netinfo.Container {
	for i := range s.Containers {
		for _, e := range s.Containers[i].Endpoints {
			if e.NetworkID == n.ID && is(e) {
				return &s.Containers[i]
			}
		}
	}
	return nil
}

// isGateway reports whether the longest route by the bridge to the address leads
// there by the endpoint, and no route by another bridge leads there.
func isGateway(s netinfo.Snapshot, bridge string, e netinfo.Endpoint, a netip.Addr) bool {
	longest := -1
	for _, r := range s.Routes {
		if !r.Prefix.Contains(a) {
			continue
		}
		if r.Link != bridge {
			return false
		}
		longest = max(longest, r.Prefix.Bits())
	}
	for _, r := range s.Routes {
		if r.Link == bridge && r.Prefix.Contains(a) && r.Prefix.Bits() == longest && r.Gateway.IsValid() && hasAddr(e, r.Gateway) {
			return true
		}
	}
	return false
}

// origin is what is known of the sender by the interface alone.
type origin int

const (
	outside origin = iota
	inside
	// unplaced: it may be a container or a stranger.
	unplaced
)

// side returns which side sends by the interface: containers where the engine lists the
// bridge. A bridge that the engine was not asked about may be its own, unless a
// NIC is a port of it.
func side(s netinfo.Snapshot, nic string) origin {
	for _, n := range s.Networks {
		if n.Bridge != "" && n.Bridge == nic {
			return inside
		}
	}
	for _, l := range s.Links {
		if l.Name == nic && l.Unplaced && !hasForeignPort(s, l) {
			return unplaced
		}
	}
	return outside
}

// hasForeignPort reports whether a port of the bridge is not a container's.
func hasForeignPort(s netinfo.Snapshot, bridge netinfo.Link) bool {
	for _, l := range s.Links {
		if l.Master != 0 && l.Master == bridge.Index && !isContainerPort(l) {
			return true
		}
	}
	return false
}

// isContainerPort goes by the name that Docker gives: veth and seven hex digits.
func isContainerPort(l netinfo.Link) bool {
	digits, veth := strings.CutPrefix(l.Name, "veth")
	return veth && l.Kind == "veth" && len(digits) == 7 && strings.Trim(digits, "0123456789abcdef") == ""
}

func isHostAddr(s netinfo.Snapshot, a netip.Addr) bool {
	for _, l := range s.Links {
		for _, p := range l.Addrs {
			if p.Addr() == a {
				return true
			}
		}
	}
	return a.IsLoopback()
}

func hasAddr(e netinfo.Endpoint, a netip.Addr) bool {
	for _, b := range e.Addrs {
		if a == b {
			return true
		}
	}
	return false
}

// Covered reports whether the attempt ever meets the host's rules: what macvlan
// and ipvlan containers send does not, nor what outside sends them.
func Covered(s netinfo.Snapshot, q Question) bool {
	q = q.plain()
	if c, ok := owner(s, q.Container); ok {
		for _, e := range c.Endpoints {
			if n, _ := s.Network(e.NetworkID); hasAddr(e, q.Source) && n.Bridge == "" {
				return false
			}
		}
	}
	return side(s, q.NIC) != outside || Locate(s, q.dst()).Kind != OffBridge
}

// owner is the container whose network the container of this ID uses: itself,
// or the one it shares with.
func owner(s netinfo.Snapshot, id string) (netinfo.Container, bool) {
	for range s.Containers {
		c, ok := containerByID(s, id)
		if !ok || c.SharesWith == "" {
			return c, ok
		}
		id = c.SharesWith
	}
	return netinfo.Container{}, false
}

func containerByID(s netinfo.Snapshot, id string) (netinfo.Container, bool) {
	for _, c := range s.Containers {
		if c.ID == id && id != "" {
			return c, true
		}
	}
	return netinfo.Container{}, false
}

func dockerdListens(s netinfo.Snapshot, q Question) bool {
	for _, l := range s.Listeners {
		if l.Dockerd && l.Proto == q.Proto && l.Port == q.Port && q.Proto == netinfo.TCP {
			return true
		}
	}
	return false
}

// isDockerAPI reports whether the port is judged as the engine's, whether it listens
// or not.
func (e eval) isDockerAPI() bool {
	wellKnown := e.q.Proto == netinfo.TCP && (e.q.Port == 2375 || e.q.Port == 2376)
	return wellKnown || e.p.DockerAPI.Lists(e.q.Proto, e.q.Port)
}

// publishes reports whether the container publishes its own port.
func publishes(c *netinfo.Container, proto rules.Protocol, port uint16) bool {
	for _, p := range c.Ports {
		if p.Proto == proto && p.ContainerPort == port {
			return true
		}
	}
	return false
}

// serviceListens reports whether a service of the host's own, and not a container
// on its network, has the dialled address and port.
func serviceListens(s netinfo.Snapshot, q Question) bool {
	for _, l := range s.Listeners {
		if l.Dockerd || l.Container || l.Proto != q.Proto || l.Port != q.Port {
			continue
		}
		everywhere := l.Addr.IsUnspecified() && (l.Addr.Is6() || q.Dest.Is4())
		if everywhere || l.Addr == q.Dest {
			return true
		}
	}
	return false
}
