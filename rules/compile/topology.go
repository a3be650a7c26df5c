package compile

import (
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
)

// link is an interface name as a rule matches it.
type link struct {
	name   string
	prefix bool
}

func (l link) covers(name string) bool {
	return l.name == name || l.prefix && strings.HasPrefix(name, l.name)
}

// topology says what a packet's interfaces mean. An interface that the engine has
// not been asked about is treated as both: a packet from it may be a stranger's or
// a container's, and what goes to it may be for a container.
type topology struct {
	// inside are the bridges of the networks that the engine lists.
	inside []link
	// unplaced may be bridges of networks that the engine has not listed yet: those
	// that came since it was asked, and the names that Docker picks for those that will
	// come.
	unplaced []link
	// uplinks are unplaced bridges as well, but a NIC is a port of each: what comes
	// from one is a stranger's.
	uplinks []link
	// notDocker are interfaces that are not Docker's although a pattern of the lists
	// above covers their name (br-lan).
	notDocker []link
	// elsewhere are all other interfaces that there are, or that have a conventional
	// name.
	elsewhere []link
	// bridges are those of notDocker and elsewhere that are bridges now.
	bridges []link
}

// dockerNames is how Docker names its bridges, unless told otherwise by
// com.docker.network.bridge.name.
var dockerNames = []link{{name: "docker0"}, {name: "docker_gwbridge"}, brNames}

// brNames covers the names of all bridges that Docker numbers itself.
var brNames = link{name: "br-", prefix: true}

// conventional are names that NICs, tunnels and other programs' bridges go by. One
// that appears while the agent is away is taken for what its name says, so that a
// tunnel that comes up works; a bridge of such a name is left to the latch, which
// can tell a bridge from a tunnel. Any other new interface is taken for a Docker
// bridge until it is known.
var conventional = []string{"bond", "cali", "cilium", "cni", "en", "eth", "flannel", "gre", "ib", "incusbr",
	"ip6tnl", "ipip", "kube", "lxc", "lxdbr", "nebula", "ppp", "sit", "tailscale", "tap", "team", "tun", "utun",
	"veth", "virbr", "vlan", "vmbr", "vnet", "vxlan", "wg", "wl", "ww", "zt"}

var loopbacks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newTopology(s netinfo.Snapshot) topology {
	var t topology
	bridges := map[string]bool{}
	for _, n := range s.Networks {
		if l, ok := linkOf(n.Bridge); ok && !slices.Contains(t.inside, l) {
			bridges[n.Bridge] = true
			t.inside = append(t.inside, l)
		}
	}
	ports := newPorts(s.Links)
	for _, l := range s.Links {
		named, ok := linkOf(l.Name)
		if !ok || bridges[l.Name] || l.Name == "lo" || ports.of[l.Index] != 0 || isContainerVeth(l) {
			continue
		}
		switch {
		case !looksDocker(l):
			t.addOther(l, named)
		case ports.foreign[l.Index]:
			t.uplinks = append(t.uplinks, named)
		default:
			t.unplaced = append(t.unplaced, named)
		}
	}
	for _, l := range dockerNames {
		if !slices.Contains(t.inside, l) && !slices.Contains(t.unplaced, l) && !slices.Contains(t.notDocker, l) {
			t.unplaced = append(t.unplaced, l)
		}
	}
	for _, name := range conventional {
		t.elsewhere = append(t.elsewhere, link{name: name, prefix: true})
	}
	t.sort()
	return t
}

// addOther adds an interface that is not Docker's. Every bridge of Docker's is in the
// lists already.
func (t *topology) addOther(l netinfo.Link, named link) {
	if l.Kind == "bridge" {
		t.bridges = append(t.bridges, named)
	}
	switch {
	case !named.prefix && (covered(dockerNames, l.Name) || covered(t.inside, l.Name)):
		t.notDocker = append(t.notDocker, named)
	case named.prefix || !isConventional(l.Name):
		t.elsewhere = append(t.elsewhere, named)
	}
}

// docker are the interfaces by which a packet may leave for a container, exact
// names before patterns.
func (t *topology) docker() []link {
	// A prefix of inside's may begin with one of unplaced's, never the other way round.
	return exactFirst(slices.Concat(t.inside, t.uplinks, t.unplaced))
}

// towards is docker, for rules that treat all of them alike: without the bridges that
// brNames covers.
func (t *topology) towards() []link {
	return slices.DeleteFunc(t.docker(), func(l link) bool { return l != brNames && brNames.covers(l.name) })
}

// sort orders by name, which the order of facts does not change. Exact names
// come before the prefixes, so that the walk of a busy bridge is short.
func (t *topology) sort() {
	for _, ls := range [][]link{t.inside, t.unplaced, t.uplinks, t.notDocker, t.elsewhere, t.bridges} {
		slices.SortFunc(ls, func(a, b link) int { return strings.Compare(a.name, b.name) })
		exactFirst(ls)
	}
}

// exactFirst sorts exact names before prefixes, in place.
func exactFirst(ls []link) []link {
	slices.SortStableFunc(ls, func(a, b link) int {
		switch {
		case a.prefix == b.prefix:
			return 0
		case a.prefix:
			return 1
		}
		return -1
	})
	return ls
}

func (t *topology) equal(o *topology) bool {
	return slices.Equal(t.inside, o.inside) && slices.Equal(t.unplaced, o.unplaced) && slices.Equal(t.uplinks, o.uplinks) &&
		slices.Equal(t.notDocker, o.notDocker) && slices.Equal(t.elsewhere, o.elsewhere) && slices.Equal(t.bridges, o.bridges)
}

// ports says which links are ports of a bridge, bond or team: packets are never
// forwarded by IP out of one.
type ports struct {
	// of leads from a link's index to that of its master.
	of map[int]int
	// foreign are the bridges that have a port which is no container's: a NIC, a
	// tunnel, a VM's.
	foreign map[int]bool
}

func newPorts(links []netinfo.Link) ports {
	p := ports{of: map[int]int{}, foreign: map[int]bool{}}
	kinds := make(map[int]string, len(links))
	for _, l := range links {
		kinds[l.Index] = l.Kind
	}
	for _, l := range links {
		switch kinds[l.Master] {
		case "bridge":
			p.of[l.Index] = l.Master
			if !isContainerVeth(l) {
				p.foreign[l.Master] = true
			}
		case "bond", "team":
			p.of[l.Index] = l.Master
		}
	}
	return p
}

// isContainerVeth reports whether the link is the host's end of a container's, by
// the name that Docker gives it: veth and seven hexadecimal digits. It is no port of a
// bridge for its first moment. (A host has thousands: no regular expression.)
func isContainerVeth(l netinfo.Link) bool {
	digits, veth := strings.CutPrefix(l.Name, "veth")
	return veth && l.Kind == "veth" && len(digits) == 7 && strings.Trim(digits, "0123456789abcdef") == ""
}

// sameButVeths reports whether two sorted lists differ at most in containers' links,
// which change no rule.
func sameButVeths(a, b []netinfo.Link) bool {
	skip := func(ls []netinfo.Link) []netinfo.Link {
		for len(ls) > 0 && isContainerVeth(ls[0]) && !hasGlobal(ls[0]) {
			ls = ls[1:]
		}
		return ls
	}
	for {
		a, b = skip(a), skip(b)
		if len(a) == 0 || len(b) == 0 {
			return len(a) == len(b)
		}
		if !a[0].Equal(b[0]) {
			return false
		}
		a, b = a[1:], b[1:]
	}
}

func isConventional(name string) bool {
	return slices.ContainsFunc(conventional, func(p string) bool { return strings.HasPrefix(name, p) })
}

func covered(ls []link, name string) bool {
	return slices.ContainsFunc(ls, func(l link) bool { return l.covers(name) })
}

// matchable reports whether iptables can name exactly this interface: it reads a
// trailing + as a wildcard.
func matchable(name string) bool {
	return name != "" && !strings.HasSuffix(name, "+") && !strings.ContainsFunc(name, unwritable)
}

func unwritable(r rune) bool { return r <= ' ' || r > '~' }

// linkOf returns how a rule names the interface: exactly or, where iptables cannot
// write its name, by the longest beginning that it can write. It is false where
// there is none.
func linkOf(name string) (link, bool) {
	if matchable(name) {
		return link{name: name}, true
	}
	if i := strings.IndexFunc(name, unwritable); i >= 0 {
		name = name[:i]
	}
	name = strings.TrimRight(name, "+")
	return link{name: name, prefix: true}, name != ""
}

// looksDocker reports whether a link is taken for a Docker bridge without the
// engine having said so.
func looksDocker(l netinfo.Link) bool { return l.Kind == "bridge" && l.Unplaced }
