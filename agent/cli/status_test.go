package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"dockwall/agent/control"
	"dockwall/agent/overview"
	"dockwall/agent/reconcile"
	"dockwall/rules"
	"dockwall/rules/finding"
)

func TestStatusCodes(t *testing.T) {
	tests := map[reconcile.State]int{reconcile.Enforcing: 0, reconcile.Degraded: 1, reconcile.Starting: 1}
	for state, want := range tests {
		m := newMachine()
		c := newCommand(m)
		file, socket := writeConfig(t, "")
		startDaemon(t, socket, func() reconcile.Status { return reconcile.Status{State: state} }, m.snapshot, func() {})
		c.mustRun(t, want, "status", "--config", file)
		if !strings.HasPrefix(c.stdout.String(), "dockwall is "+string(state)+"\n") {
			t.Errorf("%s: %s", state, c.stdout.String())
		}
		c.mustRun(t, want, "status", "--config", file, "--json")
	}
}

// degraded is a state with everything in it, hostile text included.
func degraded() reconcile.Status {
	at := time.Date(2026, 11, 23, 11, 59, 30, 0, time.UTC)
	return reconcile.Status{
		State:   reconcile.Degraded,
		Reasons: []finding.Finding{{Code: "docker_away", Message: "no such file\x1b[2J"}},
		Config:  reconcile.ConfigStatus{Path: "/etc/dockwall/agent.hcl", Error: "agent.hcl:3:1: wrong", LoadedAt: at},
		Docker:  reconcile.DockerStatus{Error: "no such file"},
		Backend: "iptables-nft", Sets: "ipset", Generation: 7, AppliedAt: at,
		LastChange: reconcile.Change{At: at, Cause: "network connect", Took: 4100 * time.Microsecond, Rules: 1, Members: 2},
		Repairs:    3, Containers: 5,
		Problems: []finding.Finding{{Code: "selector_matches_nothing", Message: "containers.db matches no container now",
			Origin: rules.Origin{Subject: rules.Subject{Kind: "containers", Name: "db"}, File: "agent.d/db.hcl", Line: 4}}},
	}
}

func TestStatusOnOneScreen(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, "")
	startDaemon(t, socket, degraded, m.snapshot, func() {})
	c.mustRun(t, 1, "status", "--config", file)
	when := time.Date(2026, 11, 23, 11, 59, 30, 0, time.UTC).Local().Format(time.DateTime) + " (30s ago)"
	want := "dockwall is degraded\n" +
		"  docker_away: no such file?[2J\n" +
		"\n" +
		"  file         /etc/dockwall/agent.hcl, as of " + when + " (what is on disk now has errors)\n" +
		"  Docker       not connected\n" +
		"  backend      iptables-nft, sets: ipset\n" +
		"  applied      " + when + ", generation 7\n" +
		"  last change  " + when + ": network connect (1 rule, 2 set members, took 4.1ms)\n" +
		"  repairs      3\n" +
		"  containers   5\n" +
		"\n" +
		"1 warning\n" +
		"  /etc/dockwall/agent.d/db.hcl:4: containers.db matches no container now\n"
	if diff := cmp.Diff(want, c.stdout.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStatusJSONIsTheDaemons(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, "")
	startDaemon(t, socket, degraded, m.snapshot, func() {})
	c.mustRun(t, 1, "status", "--config", file, "--json")
	var got, want map[string]any
	if err := json.Unmarshal(c.stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(degraded())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	want["format_version"] = 1.0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// shop is what a daemon tells of a host with every sort of line, and of more
// containers than fit on a screen.
func shop(containers int) overview.Overview {
	o := overview.Overview{
		Enforced: []overview.Matter{{Name: "published", Default: "deny", Blocks: 2}, {Name: "between", Default: "allow", Networks: []string{"back deny"}},
			{Name: "egress", Default: "allow", Blocks: 1}, {Name: "docker_api", Default: "deny"}, {Name: "block", Default: "allow"}},
		NotCovered: []string{"container cam: its traffic\x1b[2J on network lan (macvlan) never meets the host's rules"},
		Policies: []overview.Policy{{Name: "published.web", Position: "agent.hcl:10", Allowed: overview.Counts{Packets: 1, Bytes: 60}},
			{Name: "defaults.published", Denied: overview.Counts{Packets: 12345, Bytes: 740700}}},
		CountedAt:  time.Date(2026, 11, 23, 11, 59, 59, 0, time.UTC),
		Containers: []overview.Container{{Name: "cam", State: "running", Networks: []string{"bridge", "lan"}, Why: "macvlan"}, {Name: "web-1", State: "running", Networks: []string{"bridge"}, Published: []string{"80/tcp"}, Covered: true, Refused: 12}},
	}
	for len(o.Containers) < containers {
		o.Containers = append(o.Containers, overview.Container{Name: "more", State: "exited", Covered: true})
	}
	return o
}

// tell answers on the socket with a state and an overview until the test ends.
func tell(t *testing.T, socket string, o overview.Overview) {
	t.Helper()
	s, err := control.Bind(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- control.NewServer(s, hclog.NewNullLogger(), control.StatusRoute(degraded), control.OverviewRoute(func() overview.Overview { return o })).Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func TestStatusTellsWhatIsInForce(t *testing.T) {
	c := newCommand(newMachine())
	file, socket := writeConfig(t, "")
	tell(t, socket, shop(2))
	c.mustRun(t, 1, "status", "--config", file)
	_, got, found := strings.Cut(c.stdout.String(), "  containers   5\n")
	want := `
not covered
  container cam: its traffic?[2J on network lan (macvlan) never meets the host's rules

enforced
  from outside to published ports    deny, except 2 blocks
  between containers on a network    allow (back deny)
  from containers to the outside     allow; 1 block
  to Docker's API over TCP           deny
  blocked everywhere                 no address

policies                            let pass        refused
  published.web       agent.hcl:10  1 packet, 60 B  -
  defaults.published                -               12345 packets, 740.7 kB

containers           networks     published  refused
  cam       running  bridge, lan  -          -
  web-1     running  bridge       80/tcp     12

1 warning
  /etc/dockwall/agent.d/db.hcl:4: containers.db matches no container now
`
	if diff := cmp.Diff(want, got); diff != "" || !found {
		t.Errorf("-want +got:\n%s", diff)
	}
	var both struct {
		Containers int                  `json:"containers"`
		List       []overview.Container `json:"container_list"`
		Policies   []overview.Policy    `json:"policies"`
	}
	c.mustRun(t, 1, "status", "--config", file, "--json")
	if err := json.Unmarshal(c.stdout.Bytes(), &both); err != nil || both.Containers != 5 || len(both.List) != 2 || both.Policies[1].Denied.Packets != 12345 {
		t.Errorf("as JSON: %v: %s", err, c.stdout.String())
	}
}

func TestStatusFitsOnAScreen(t *testing.T) {
	c := newCommand(newMachine())
	file, socket := writeConfig(t, "")
	tell(t, socket, shop(300))
	c.mustRun(t, 1, "status", "--config", file)
	if lines := strings.Count(c.stdout.String(), "\n"); lines > 60 || !strings.Contains(c.stdout.String(), "  and 280 more: agentctl status --all\n") {
		t.Errorf("%d lines:\n%s", lines, c.stdout.String())
	}
	c.mustRun(t, 1, "status", "--config", file, "--all")
	if n := strings.Count(c.stdout.String(), "  more "); n != 298 {
		t.Errorf("--all shows %d of 298 containers", n)
	}
}

// However many ports and networks a container has, the table fits 100 characters.
func TestStatusFitsTheScreen(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, "")
	o := shop(2)
	var ports, networks []string
	for i := range 60 {
		ports = append(ports, fmt.Sprintf("192.0.2.%d:%d/tcp", i, 8000+2*i))
		networks = append(networks, fmt.Sprintf("stack-%d_default", i))
	}
	o.Containers = append(o.Containers,
		overview.Container{Name: "ports", State: "running", Networks: []string{"bridge"}, Published: ports, Covered: true},
		overview.Container{Name: "both", State: "restarting", Networks: networks, Published: ports, Covered: true},
		overview.Container{Name: strings.Repeat("long-", 30), State: "running", Networks: networks[:1], Published: ports[:1], Covered: true})
	o.Policies = append(o.Policies, overview.Policy{Name: "published." + strings.Repeat("x", 120), Position: "agent.hcl:1"})
	tell(t, socket, o)
	for _, args := range [][]string{{"status"}, {"status", "--all"}} {
		c.mustRun(t, 1, append(args, "--config", file)...)
		_, tables, _ := strings.Cut(c.stdout.String(), "\npolicies")
		tables, _, _ = strings.Cut(tables, "1 warning")
		lines := strings.Split(tables, "\n")
		for _, line := range lines[1:] {
			if n := len([]rune(line)); n > 100 {
				t.Errorf("%v: a line of %d characters: %s", args, n, line)
			}
		}
		all := len(args) == 2
		if has := strings.Contains(tables, ports[59]); has != all || all == strings.Contains(tables, " more") {
			t.Errorf("%v: the last port is shown: %v\n%s", args, has, tables)
		}
	}
}

// The daemon is found on the file's own socket though the file has errors.
func TestStatusOfABrokenFile(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, "published \"x\" {\n")
	tell(t, socket, shop(2))
	c.mustRun(t, 1, "status", "--config", file)
	if !strings.Contains(c.stdout.String(), "dockwall is degraded") || !strings.Contains(c.stderr.String(), "asked on "+socket) {
		t.Errorf("stdout:\n%s\nstderr:\n%s", c.stdout.String(), c.stderr.String())
	}
}
