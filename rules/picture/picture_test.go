package picture_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/meaning"
	"dockwall/rules/picture"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
)

func of(p policy.Policy, s netinfo.Snapshot) picture.Picture {
	rs, _ := compile.Compile(p, s)
	return picture.Of(p, s, rs)
}

// people are addresses outside, of those that policytest's policies name and
// of none.
func people() []netip.Addr {
	var all []netip.Addr
	for _, a := range []string{"203.0.113.7", "203.0.113.9", "198.51.100.4", "10.9.9.9", "8.8.8.8", "192.0.2.99", "172.16.0.9"} {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

// forged reports whether the address lies behind a container, and no route leads
// to it by the NIC. The picture shows clients only by NICs that lead to them.
func forged(s netinfo.Snapshot, a netip.Addr, nic string) bool {
	leads := func(r netinfo.Route) bool { return r.Prefix.Contains(a) }
	here := func(r netinfo.Route) bool { return r.Prefix.Contains(a) && r.Link == nic }
	return slices.ContainsFunc(s.Routes, leads) && !slices.ContainsFunc(s.Routes, here) && !slices.ContainsFunc(s.OtherRoutes, here)
}

// The picture is asked of the ruleset; policy.Eval, which shares nothing with
// the compiler, says what it should find.
func TestPortsAreWhatThePolicyMeans(t *testing.T) {
	open, closed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p, s := policytest.Policy(t), policytest.Snapshot(t)
		pic := of(p, s)
		for i, c := range pic.Containers {
			for _, port := range c.Ports {
				dest, ok := dialled(s, &s.Containers[i], port)
				if !ok || port.State != picture.Open && port.State != picture.Closed {
					continue
				}
				for _, nic := range meaning.NICs(s) {
					for _, a := range people() {
						if forged(s, a, nic) {
							continue
						}
						allow := means(p, s, policy.Question{NIC: nic, Source: a, Dest: dest.Addr(), Port: dest.Port(), Proto: proto(port)})
						says, but := access(pic, p, port, nic, a)
						if allow && !says || !allow && says && !but {
							t.Fatalf("%s %s from %s by %s: the policy means %v, the picture says %v (but: %v)\n%+v", c.Name, port.Host, a, nic, allow, says, but, port)
						}
						if allow {
							open++
						} else {
							closed++
						}
					}
				}
			}
		}
	})
	if open < 100 || closed < 100 {
		t.Errorf("%d attempts were open and %d closed: the test tells nothing", open, closed)
	}
}

// dialled is an IPv4 address and port to reach the published port by, where
// one is found without asking the picture.
func dialled(s netinfo.Snapshot, c *netinfo.Container, port picture.Port) (netip.AddrPort, bool) {
	host := netip.MustParseAddr("192.0.2.1")
	if port.Routed || port.Straight {
		return netip.AddrPort{}, false
	}
	for _, p := range c.Ports {
		if p.HostPort == 0 || p.HostPort != p.HostPortEnd || port.Host != hostText(p) || port.Own != fmt.Sprintf("%d/%s", p.ContainerPort, p.Proto) {
			continue
		}
		for _, e := range c.Endpoints {
			if n, _ := s.Network(e.NetworkID); n.BindAddr.IsValid() {
				return netip.AddrPort{}, false
			}
		}
		switch {
		case p.HostAddr.IsValid() && p.HostAddr.Is6():
		case p.HostAddr.IsValid() && !p.HostAddr.IsUnspecified():
			return netip.AddrPortFrom(p.HostAddr, p.HostPort), policy.Locate(s, p.HostAddr).Kind == policy.OnHost
		default:
			return netip.AddrPortFrom(host, p.HostPort), !others(s, c, host, p)
		}
	}
	return netip.AddrPort{}, false
}

// hostText is a port without an address of its own, as the picture names it.
func hostText(p netinfo.PublishedPort) string {
	q := picture.Of(policy.Policy{}, netinfo.Snapshot{Containers: []netinfo.Container{{Ports: []netinfo.PublishedPort{p}}}}, rules.Ruleset{})
	return q.Containers[0].Ports[0].Host
}

// others reports whether another container has the port on just this address.
func others(s netinfo.Snapshot, c *netinfo.Container, a netip.Addr, p netinfo.PublishedPort) bool {
	return slices.ContainsFunc(s.Containers, func(o netinfo.Container) bool {
		return o.ID != c.ID && slices.ContainsFunc(o.Ports, func(q netinfo.PublishedPort) bool {
			return q.HostAddr == a && q.Proto == p.Proto && q.HostPort <= p.HostPort && p.HostPort <= q.HostPortEnd
		})
	})
}

func proto(p picture.Port) netinfo.Protocol {
	if p.Own[len(p.Own)-3:] == "udp" {
		return netinfo.UDP
	}
	return netinfo.TCP
}

// means reports whether every way is allowed.
func means(p policy.Policy, s netinfo.Snapshot, q policy.Question) bool {
	for _, w := range policy.Ways(s, q) {
		if !policy.Eval(p, s, w).Allow {
			return false
		}
	}
	return true
}

// access is what the picture says of an address at a NIC, and whether it says
// that some of the address's source are left out.
func access(pic picture.Picture, p policy.Policy, port picture.Port, nic string, a netip.Addr) (says, but bool) {
	gate := slices.IndexFunc(pic.Gates, func(g picture.Gate) bool {
		return slices.ContainsFunc(g.NICs, func(n picture.NIC) bool { return n.Name == nic })
	})
	closest := 0
	var sources []int
	for i, src := range pic.Sources {
		for _, pre := range src.Prefixes {
			switch {
			case !pre.Contains(a) || pre.Bits() < closest:
			case pre.Bits() > closest:
				closest, sources = pre.Bits(), []int{i}
			default:
				sources = append(sources, i)
			}
		}
	}
	if sources == nil {
		sources = []int{len(pic.Sources) - 1}
	}
	for _, acc := range port.Access {
		if acc.Gate == gate && slices.Contains(sources, acc.Source) {
			says, but = true, but || len(acc.But) > 0
		}
	}
	return says, but
}

// What a container is said to reach is what the policy means.
func TestExitsAreWhatThePolicyMeans(t *testing.T) {
	seen := map[picture.State]int{}
	rapid.Check(t, func(t *rapid.T) {
		p, s := policytest.Policy(t), policytest.Snapshot(t)
		pic := of(p, s)
		for _, n := range pic.Networks {
			for _, m := range n.Members {
				if !n.Covered || m.Outside.State == picture.Internal {
					continue
				}
				seen[m.Outside.State]++
				var open, shut bool
				for _, a := range people() {
					for _, port := range []uint16{1, 53, 80, 443, 5432, 40000} {
						for _, nic := range meaning.NICs(s) {
							q := policy.Question{NIC: n.Bridge, Source: m.Addrs[0], Container: s.Containers[m.Index].ID, Dest: a, Port: port,
								Proto: netinfo.TCP, Out: nic}
							got := policy.Eval(p, s, q)
							open = open || got.Allow
							shut = shut || !got.Allow && got.Class != policy.ClassBlock
						}
					}
				}
				if open && m.Outside.State == picture.Closed || shut && m.Outside.State == picture.Open {
					t.Fatalf("%s on %s is said to reach %+v outside; some of it is open: %v, closed: %v", m.Container, n.Name, m.Outside, open, shut)
				}
			}
		}
	})
	for _, state := range []picture.State{picture.Open, picture.Some, picture.Closed} {
		if seen[state] == 0 {
			t.Errorf("no container was ever %s", state)
		}
	}
}

// Exactly the neighbours that the picture joins reach each other.
func TestPairsAreWhatThePolicyMeans(t *testing.T) {
	seen := map[picture.State]int{}
	pairs := func(t *rapid.T) {
		p, s := policytest.Policy(t), policytest.Snapshot(t)
		pic := of(p, s)
		for _, n := range pic.Networks {
			if !n.Covered {
				continue
			}
			seen[n.Between]++
			for i, a := range n.Members {
				for j, b := range n.Members {
					if i == j {
						continue
					}
					all, some := neighbours(p, s, n, a, b)
					drawn := slices.ContainsFunc(n.Pairs, func(r picture.Pair) bool {
						return slices.Contains(r.Senders, i) && slices.Contains(r.Targets, j)
					})
					if drawn && !some && len(a.Addrs) == 1 {
						t.Fatalf("%s -> %s on %s is drawn, and nothing passes", a.Container, b.Container, n.Name)
					}
					if n.Between == picture.Open && !all || n.Between == picture.Closed && some || n.Between == picture.Some && some && !drawn {
						t.Fatalf("%s -> %s on %s (%s, drawn: %v): on all ports %v, on some %v", a.Container, b.Container, n.Name, n.Between, drawn, all, some)
					}
				}
			}
		}
	}
	// Few random networks are open in part: a hundred hosts may have none.
	for range 4 {
		rapid.Check(t, pairs)
	}
	for _, state := range []picture.State{picture.Open, picture.Some, picture.Closed} {
		if seen[state] == 0 {
			t.Errorf("no network was ever %s", state)
		}
	}
}

// neighbours asks in IPv4, which every member has.
func neighbours(p policy.Policy, s netinfo.Snapshot, n picture.Network, a, b picture.Member) (all, some bool) {
	all = true
	for _, port := range []uint16{1, 53, 80, 443, 5432, 40000} {
		for _, proto := range []netinfo.Protocol{netinfo.TCP, netinfo.UDP} {
			q := policy.Question{NIC: n.Bridge, Source: a.Addrs[0], Container: s.Containers[a.Index].ID, Dest: b.Addrs[0], Port: port, Proto: proto}
			allow := policy.Eval(p, s, q).Allow
			all, some = all && allow, some || allow
		}
	}
	return all, some
}

// The order in which facts were learnt changes nothing.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, s := policytest.Policy(t), policytest.Snapshot(t)
		want := of(p, s)
		o := s
		o.Links = rapid.Permutation(s.Links).Draw(t, "links")
		o.Networks = rapid.Permutation(s.Networks).Draw(t, "networks")
		o.Containers = rapid.Permutation(s.Containers).Draw(t, "containers")
		o.Normalize()
		if diff := cmp.Diff(want, of(p, o), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Fatalf("in another order (-want +got):\n%s", diff)
		}
	})
}
