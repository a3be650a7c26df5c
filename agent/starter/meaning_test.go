package starter_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dockwall/agent/config"
	"dockwall/agent/starter"
	"dockwall/netinfo"
	"dockwall/rules/compile"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/trace"
)

// draft is New for a host with the default settings.
func draft(s netinfo.Snapshot, api starter.API) starter.Draft {
	return starter.New(s, config.DefaultSettings(""), config.DefaultSettings(""), api)
}

// read is the text as the agent reads it: without an error or a warning.
func read(t rapid.TB, dir, text string) policy.Policy {
	t.Helper()
	path := filepath.Join(dir, "agent.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := config.Load(path)
	if len(diags) > 0 {
		t.Fatalf("the draft is not fine: %v\n%s", diags.Err(), text)
	}
	return doc.Policy
}

// free is the policy that restricts nothing of containers: today's state.
func free() policy.Policy {
	return policy.Policy{DenyWith: policy.DenyDrop, Defaults: policy.Defaults{
		Published: policy.Allow, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow}}
}

// running is the snapshot without the ports that nothing answers on now.
func running(s netinfo.Snapshot) netinfo.Snapshot {
	s.Containers = slices.Clone(s.Containers)
	for i, c := range s.Containers {
		outer := slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool {
			n, ok := s.Network(e.NetworkID)
			return ok && !n.Internal
		})
		if !outer {
			s.Containers[i].Ports = nil
		}
	}
	return s
}

// today reports whether the attempt comes through without a policy, and reaches
// something that runs. A port that only a stopped container wishes for is
// nothing to be let in to.
func today(s netinfo.Snapshot, q policy.Question) bool {
	return policy.Eval(free(), s, q).Allow && !wished(s, q)
}

// wished reports whether only a stopped container publishes the port.
func wished(s netinfo.Snapshot, q policy.Question) bool {
	return policy.Eval(free(), s, q).Class == policy.ClassPublished && policy.Eval(free(), running(s), q).Class != policy.ClassPublished
}

// Under the draft's compiled rules every packet of every attempt fares as it
// does today.
func TestDraftAllowsWhatIsPublished(t *testing.T) {
	dir := t.TempDir()
	asked, reached := 0, 0
	defer func() {
		t.Logf("%d packets, %d to published ports", asked, reached)
		if reached == 0 {
			t.Error("no packet went to a published port: this proves nothing")
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		d := draft(s, starter.API{Known: true})
		p := read(t, dir, d.Text)
		rs, problems := compile.Compile(p, s)
		// What has a line in the file would be a selector or NIC that does not
		// fit; a container of the service may share another's network.
		misfit := func(p finding.Finding) bool { return p.Origin.File != "" && p.Code != "shares_network" }
		if err := rs.Validate(); err != nil || slices.ContainsFunc(problems, misfit) {
			t.Fatalf("compiling the draft: %v %v\n%s", err, problems, d.Text)
		}
		m := trace.New(rs)
		questions := everyPort(s)
		for range 20 {
			questions = append(questions, policytest.Question(t, s))
		}
		for _, q := range questions {
			for _, way := range trace.Packets(s, q) {
				if wished(s, way.Question) && policy.Eval(p, s, way.Question).Class == policy.ClassHostNet {
					// A block names a container on the host's network for the port, which
					// listens at another address: nothing is there to be let in to.
					continue
				}
				asked++
				want := today(s, way.Question)
				if policy.Eval(free(), s, way.Question).Class == policy.ClassPublished && want {
					reached++
				}
				if got := m.Run(way.Packet, way.Base).Verdict; (got == trace.Pass) != want || got == trace.Undecided {
					t.Fatalf("%+v: %s, allowed today: %v\ncontainers %+v\nnetworks %+v\n%s", way.Question, got, want, s.Containers, s.Networks, d.Text)
				}
			}
		}
	})
}

// everyPort asks for every published port, at every address of the host, by
// every NIC.
func everyPort(s netinfo.Snapshot) []policy.Question {
	var all []policy.Question
	for _, c := range s.Containers {
		for _, p := range c.Ports {
			for _, l := range s.Links {
				for _, a := range l.Addrs {
					if p.HostPort == 0 || l.Name == "lo" {
						continue
					}
					from := netip.MustParseAddr("203.0.113.7")
					if a.Addr().Is6() {
						from = netip.MustParseAddr("2001:db8:f::7")
					}
					all = append(all, policy.Question{NIC: "eth0", Source: from, Dest: a.Addr(), Port: p.HostPort, Proto: p.Proto})
				}
			}
		}
	}
	return all
}

// The ports are the free policy's, whatever the client: what the draft's own
// list says is also what Eval finds by the naive meaning.
func TestDraftNamesEveryPublishedPort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		d := draft(s, starter.API{})
		for _, c := range running(s).Containers {
			for _, p := range c.Ports {
				if len(c.Endpoints) == 0 || p.HostPort == 0 || p.HostAddr.IsLoopback() {
					continue
				}
				if !names(t, d, c.Name, policy.Ports{Proto: p.Proto, Lo: p.HostPort, Hi: p.HostPort}) {
					t.Fatalf("%s publishes %d/%s, but no policy names it:\n%s", c.Name, p.HostPort, p.Proto, d.Text)
				}
			}
		}
	})
}
