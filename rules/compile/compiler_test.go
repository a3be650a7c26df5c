package compile_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
)

var exactly = []cmp.Option{cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty()}

// Whatever becomes of containers, following comes to the same as compiling anew,
// says what it changed, and leaves what it handed out before as it was.
func TestFollowIsCompile(t *testing.T) {
	moreChecks(t, 150)
	followed, moved := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var c compile.Compiler
		p := policytest.Policy(t)
		s := policytest.Snapshot(t)
		c.Compile(p, s)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			next := s
			switch other := policytest.Snapshot(t); rapid.IntRange(0, 5).Draw(t, "what changes") {
			case 0, 1:
				next.Listeners = services(s.Listeners, other.Listeners)
			case 2:
				next.Routes, next.OtherRoutes = other.Routes, other.OtherRoutes
			default:
				next.Containers = changed(t, s.Containers, other.Containers)
			}
			next.Normalize()
			before := c.Ruleset()
			kept := contents(before)
			moves, _, ok := c.Follow(next)
			want, _ := compile.Compile(p, next)
			if d := cmp.Diff(kept, contents(before), exactly...); d != "" {
				t.Fatalf("what was handed out before has changed:\n%s", d)
			}
			if !ok {
				if moves != nil || cmp.Diff(kept, contents(c.Ruleset()), exactly...) != "" {
					t.Fatal("it did not follow, and changed something")
				}
				c.Compile(p, next)
				s = next
				continue
			}
			followed++
			moved += len(moves)
			if d := cmp.Diff(want, c.Ruleset(), exactly...); d != "" {
				t.Fatalf("-compiled +followed\n%s", d)
			}
			for _, m := range moves {
				kept[m.Set] = rules.Replace(kept[m.Set], m.Gone, m.Come)
			}
			if d := cmp.Diff(contents(want), kept, exactly...); d != "" {
				t.Fatalf("-compiled +moved\n%s", d)
			}
			s = next
		}
	})
	if followed < 50 || moved < 50 {
		t.Errorf("followed %d times, with %d moves: this test shows nothing", followed, moved)
	}
}

// services are dockerd's own listeners of the one, and the others of the other.
func services(dockerds, others []netinfo.Listener) (ls []netinfo.Listener) {
	for _, l := range dockerds {
		if l.Dockerd {
			ls = append(ls, l)
		}
	}
	for _, l := range others {
		if !l.Dockerd {
			ls = append(ls, l)
		}
	}
	return ls
}

// A service that starts on a port which a created container wants moves the members
// of that port alone, of sets that have all ports.
func TestFollowListeners(t *testing.T) {
	var p policy.Policy
	all := netinfo.Container{ID: "c", Name: "all", State: "created"}
	for port := 1; port < 1<<16; port++ {
		all.Ports = append(all.Ports, netinfo.PublishedPort{HostPort: uint16(port), HostPortEnd: uint16(port), Proto: netinfo.TCP, ContainerPort: uint16(port)})
	}
	s := netinfo.Snapshot{Containers: []netinfo.Container{all}}
	sshd := s
	sshd.Listeners = []netinfo.Listener{{Addr: netip.IPv6Unspecified(), Proto: netinfo.TCP, Port: 22}}
	var c compile.Compiler
	c.Compile(p, s)
	for _, next := range []netinfo.Snapshot{sshd, s} {
		moves, differs, ok := c.Follow(next)
		// Published ports are in two sets: see toPublished.
		other := func(m rules.Move) bool { return len(m.Gone)+len(m.Come) != 2 }
		if !ok || !differs || len(moves) != 2 || slices.ContainsFunc(moves, other) {
			t.Fatalf("moves are %v, %v, %v, want two members of two sets", moves, differs, ok)
		}
		want, _ := compile.Compile(p, next)
		if d := cmp.Diff(want, c.Ruleset(), exactly...); d != "" {
			t.Fatalf("-compiled +followed\n%s", d)
		}
	}
}

// contents are the members of each set.
func contents(rs rules.Ruleset) map[string][]rules.Member {
	out := map[string][]rules.Member{}
	for _, s := range rs.Sets {
		out[s.Name] = slices.Clone(s.Members)
	}
	return out
}

// changed drops some containers, changes some, and adds some of the others.
func changed(t *rapid.T, cs, others []netinfo.Container) []netinfo.Container {
	var out []netinfo.Container
	taken := map[string]bool{}
	for _, c := range cs {
		switch rapid.IntRange(0, 5).Draw(t, "fate") {
		case 0:
			continue
		case 1:
			c.Endpoints = nil
		case 2:
			if len(others) > 0 {
				o := others[rapid.IntRange(0, len(others)-1).Draw(t, "like")]
				c.Ports, c.Labels = o.Ports, o.Labels
			}
		}
		taken[c.ID] = true
		out = append(out, c)
	}
	for _, c := range others {
		if !taken[c.ID] && rapid.Bool().Draw(t, "comes") {
			out = append(out, c)
		}
	}
	return out
}

// With a container a veth comes, which no rule depends on. Bridges and NICs change
// the rules.
func TestFollowOverlooksVeths(t *testing.T) {
	eth := netinfo.Link{Index: 2, Name: "eth0", Addrs: []netinfo.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}
	bridge := netinfo.Link{Index: 3, Name: "docker0", Kind: "bridge"}
	s := netinfo.Snapshot{Engine: netinfo.Engine{Connected: true, Known: true}, Links: []netinfo.Link{bridge, eth},
		Networks: []netinfo.Network{{ID: "1", Name: "bridge", Driver: "bridge", Bridge: "docker0"}}}
	for name, c := range map[string]struct {
		link netinfo.Link
		want bool
	}{
		"a veth that is a port":     {netinfo.Link{Index: 9, Name: "veth0a1b2c3", Kind: "veth", Master: 3}, true},
		"a veth that is none yet":   {netinfo.Link{Index: 9, Name: "veth0a1b2c3", Kind: "veth"}, true},
		"a NIC that is a port":      {netinfo.Link{Index: 9, Name: "eth9", Kind: "veth", Master: 3}, false},
		"a bridge":                  {netinfo.Link{Index: 9, Name: "br-0123456789ab", Kind: "bridge"}, false},
		"a bridge like Docker's":    {netinfo.Link{Index: 9, Name: "br-lan", Kind: "bridge"}, false},
		"a NIC of an unusual name":  {netinfo.Link{Index: 9, Name: "uplink"}, false},
		"a NIC of a usual name":     {netinfo.Link{Index: 9, Name: "eth9"}, true},
		"a bridge nobody has named": {netinfo.Link{Index: 9, Name: "kind", Kind: "bridge", Unplaced: true}, false},
	} {
		var comp compile.Compiler
		var p policy.Policy
		comp.Compile(p, s)
		next := s
		next.Links = append(slices.Clone(s.Links), c.link)
		next.Normalize()
		_, _, ok := comp.Follow(next)
		if ok != c.want {
			t.Errorf("%s: followed: %v, want %v", name, ok, c.want)
		}
		a, _ := compile.Compile(p, s)
		b, _ := compile.Compile(p, next)
		if same := cmp.Equal(a, b, exactly...); ok && !same {
			t.Errorf("%s: it was followed, and the rules differ", name)
		}
	}
}
