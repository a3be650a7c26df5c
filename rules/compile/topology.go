package compile

import (
	"net/netip"
	"regexp"
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

// topology says which interfaces are Docker's.
type topology struct {
	// docker are the Docker bridges, those to come included.
	docker []link
	// notDocker are links that look like one (br-lan) and are not.
	notDocker []link
	// elsewhere are the interfaces that forwarded packets may leave by without
	// being any of dockwall's business.
	elsewhere []link
}

// dockerNames is how Docker names its bridges, unless told otherwise by
// com.docker.network.bridge.name.
var dockerNames = []link{{name: "docker0"}, {name: "docker_gwbridge"}, {name: "br-", prefix: true}}

// dockerShape matches exactly what Docker itself would pick.
var dockerShape = regexp.MustCompile(`^(docker0|docker_gwbridge|br-[0-9a-f]{12})$`)

// conventional are names that NICs, tunnels and other programs' bridges go by.
// One that appears while the agent is away is taken for what its name says; any
// other new interface is taken for a Docker bridge until it is known.
var conventional = []string{"bond", "cali", "cilium", "cni", "en", "eth", "flannel", "gre", "ib", "incusbr",
	"ip6tnl", "ipip", "kube", "lxc", "lxdbr", "nebula", "ppp", "sit", "tailscale", "tap", "team", "tun", "utun",
	"veth", "virbr", "vlan", "vmbr", "vnet", "vxlan", "wg", "wl", "ww", "zt"}

var loopbacks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newTopology(s netinfo.Snapshot) topology {
	bridges := map[string]bool{}
	for _, n := range s.Networks {
		if n.Bridge != "" {
			bridges[n.Bridge] = true
		}
	}
	var t topology
	t.docker = slices.Clone(dockerNames)
	ports := portLinks(s.Links)
	for _, l := range s.Links {
		switch {
		case bridges[l.Name] || l.Unplaced && l.Kind == "bridge":
			t.addDocker(l.Name)
		case !matchable(l.Name) || l.Name == "lo" || ports[l.Index] || dockerShape.MatchString(l.Name):
		case covered(dockerNames, l.Name):
			t.notDocker = append(t.notDocker, link{name: l.Name})
		case !isConventional(l.Name):
			t.elsewhere = append(t.elsewhere, link{name: l.Name})
		}
	}
	for _, n := range s.Networks {
		if n.Bridge != "" {
			t.addDocker(n.Bridge)
		}
	}
	for _, name := range conventional {
		t.elsewhere = append(t.elsewhere, link{name: name, prefix: true})
	}
	t.sort()
	return t
}

func (t *topology) addDocker(name string) {
	if matchable(name) && !covered(t.docker, name) {
		t.docker = append(t.docker, link{name: name})
	}
}

// sort orders by name, which the order of facts does not change. Exact names
// come before the prefixes, so that the walk of a busy bridge is short.
func (t *topology) sort() {
	for _, ls := range [][]link{t.docker, t.notDocker, t.elsewhere} {
		slices.SortFunc(ls, func(a, b link) int {
			if a.prefix != b.prefix {
				if a.prefix {
					return 1
				}
				return -1
			}
			return strings.Compare(a.name, b.name)
		})
	}
}

// portLinks returns the links that are ports of a bridge, bond or team: packets
// are never forwarded by IP out of one.
func portLinks(links []netinfo.Link) map[int]bool {
	holders := map[int]bool{}
	for _, l := range links {
		if l.Kind == "bridge" || l.Kind == "bond" || l.Kind == "team" {
			holders[l.Index] = true
		}
	}
	ports := map[int]bool{}
	for _, l := range links {
		if holders[l.Master] {
			ports[l.Index] = true
		}
	}
	return ports
}

func covered(ls []link, name string) bool {
	return slices.ContainsFunc(ls, func(l link) bool { return l.covers(name) })
}

func isConventional(name string) bool {
	return slices.ContainsFunc(conventional, func(p string) bool { return strings.HasPrefix(name, p) })
}

// matchable tells whether iptables can name exactly this interface: it reads a
// trailing + as a wildcard.
func matchable(name string) bool {
	return name != "" && !strings.HasSuffix(name, "+") && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

// looksDocker tells that a link is taken for a Docker bridge without the engine
// having said so.
func looksDocker(l netinfo.Link) bool {
	return l.Kind == "bridge" && (l.Unplaced || dockerShape.MatchString(l.Name))
}
