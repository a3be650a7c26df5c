package policytest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules/policy"
)

type drawn struct {
	p policy.Policy
	s netinfo.Snapshot
	q []policy.Question
}

func everything() *rapid.Generator[drawn] {
	return rapid.Custom(func(t *rapid.T) drawn {
		d := drawn{p: Policy(t), s: Snapshot(t)}
		for range 10 {
			d.q = append(d.q, Question(t, d.s))
		}
		return d
	})
}

// A property test over these generators is worth what they reach: each answer
// of each kind of block and default, in both families, on every way in.
func TestEveryAnswerIsReached(t *testing.T) {
	seen := map[string]int{}
	gen := everything()
	for seed := range 5000 {
		d := gen.Example(seed)
		for _, q := range d.q {
			for _, w := range policy.Ways(d.s, q) {
				a := policy.Eval(d.p, d.s, w)
				way := "asis"
				if w.DNAT.IsValid() {
					way = "dnat"
				}
				seen[fmt.Sprint(a.Class, " ", a.Origin.Subject.Kind, " ", a.Allow)]++
				seen[fmt.Sprint(a.Class, " ", way, " ", family(q.Dest))]++
				if a.Origin.Subject.Name == "dns" {
					seen[fmt.Sprint("dns ", a.Class, " ", way)]++
				}
				if w.IsPing() && !a.Origin.Subject.Default() && a.Class != policy.ClassError {
					seen[fmt.Sprint("ping ", a.Origin.Subject.Kind, " ", a.Allow)]++
				}
			}
		}
	}
	for _, want := range wanted() {
		if seen[want] < 3 {
			t.Errorf("%q was reached %d times, want 3 or more", want, seen[want])
		}
	}
	if t.Failed() {
		t.Logf("seen: %v", seen)
	}
}

func family(a netip.Addr) string {
	if a.Is6() {
		return "v6"
	}
	return "v4"
}

func wanted() []string {
	w := []string{"block block false", "quarantine quarantine false", "quarantine held false", "published published true", "direct direct false", "direct direct true", "host_network published true",
		"docker_api docker_api true", "docker_api docker_api false", "docker_api_no_tls docker_api false", "between between true", "egress egress true", "egress egress false",
		"egress held false", "host host true", "host host false", "host held false", "service not_judged true", "transit not_judged true",
		"local not_judged true", "loopback loopback false", "error established true",
		"between own.port true", "dns egress asis", "dns host asis", "dns between asis", "dns between dnat", "ping direct true", "ping between true", "ping egress true", "ping egress false", "between neighbours true", "between routers false", "host routers false", "not_covered not_covered true"}
	for _, c := range []policy.Class{policy.ClassPublished, policy.ClassDirect, policy.ClassBetween, policy.ClassEgress, policy.ClassHost, policy.ClassHostNet} {
		for _, allow := range []bool{true, false} {
			w = append(w, fmt.Sprint(c, " defaults ", allow), fmt.Sprint(c, " network ", allow))
		}
	}
	for _, v := range []string{"v4", "v6"} {
		w = append(w, "published dnat "+v, "between dnat "+v, "block dnat "+v, "error asis "+v)
		for _, c := range []policy.Class{policy.ClassBlock, policy.ClassPublished, policy.ClassDirect, policy.ClassHostNet, policy.ClassDockerAPI,
			policy.ClassBetween, policy.ClassEgress, policy.ClassHost, policy.ClassService, policy.ClassTransit} {
			w = append(w, fmt.Sprint(c, " asis ", v))
		}
	}
	return w
}

// Invariant 1 and 2 of the package.
func TestDrawnValuesAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, s := Policy(t), Snapshot(t)
		taken := map[netip.Addr]string{}
		for _, c := range s.Containers {
			for _, e := range c.Endpoints {
				if _, ok := s.Network(e.NetworkID); !ok {
					t.Fatalf("%s is on a network that is not there: %s", c.Name, e.NetworkID)
				}
				for _, a := range e.Addrs {
					if taken[a] != "" {
						t.Fatalf("%s and %s both have %s", taken[a], c.Name, a)
					}
					taken[a] = c.Name
				}
			}
		}
		for _, a := range p.Addresses {
			if !slices.Equal(a.Prefixes, policy.SortPrefixes(slices.Clone(a.Prefixes))) {
				t.Fatalf("addresses %s: %v are not sorted", a.Name, a.Prefixes)
			}
		}
		before := fmt.Sprint(s)
		if s.Normalize(); fmt.Sprint(s) != before {
			t.Fatal("the snapshot is not normal")
		}
	})
}
