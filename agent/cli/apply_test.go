package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/cli/ask"
	"dockwall/agent/config"
	"dockwall/agent/reconcile"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/finding"
	"dockwall/rules/meaning"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
)

func TestApplyTellsWhatChanged(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.mustRun(t, 0, "apply", "--rules", "--config", file)
	if !strings.Contains(c.stdout.String(), "+203.0.113.0/24\n") || !strings.Contains(c.stdout.String(), "\n0 rules went, ") {
		t.Errorf("apply --rules:\n%s", c.stdout.String())
	}
	if m.others != 1 {
		t.Errorf("the other variant was cleaned %d times, want 1", m.others)
	}
	c.mustRun(t, 0, "apply", "--config", file, "--json")
	var r struct {
		FormatVersion int `json:"format_version"`
		Changed       bool
		By            string
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &r); err != nil || r.FormatVersion != 1 || r.Changed || r.By != "agentctl" {
		t.Errorf("the second apply --json = %s, %v", c.stdout.String(), err)
	}
}

// apply says what it changed as diff does, and applies although that cannot be found out.
func TestApplySaysWhatItMeans(t *testing.T) {
	c := newCommand(newMachine())
	c.env.Meaning = func(ask.Before, rules.Ruleset, netinfo.Snapshot, policy.Policy) (meaning.Difference, error) {
		return meaning.Difference{Table: []meaning.Entry{{Reached: []string{"web 8080/tcp"}, Gains: []string{"office"}, Blocks: []meaning.Place{{Policy: rules.ParseSubject("published.shop")}}}}}, nil
	}
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.mustRun(t, 0, "apply", "--config", file)
	if !strings.HasPrefix(c.stdout.String(), "REACHED       GAINS   BLOCK\nweb 8080/tcp  office  published.shop\n0 rules went, ") || strings.Contains(c.stdout.String(), "kernel") {
		t.Errorf("apply:\n%s", c.stdout.String())
	}
	c.env.Meaning = func(ask.Before, rules.Ruleset, netinfo.Snapshot, policy.Policy) (meaning.Difference, error) {
		return meaning.Difference{}, errors.New("odd")
	}
	rewrite(t, file, policyFrom("198.51.100.0/24"), socket)
	c.mustRun(t, 0, "apply", "--config", file)
	if !strings.Contains(c.stderr.String(), "odd") || !strings.Contains(c.stdout.String(), "1 set member came") {
		t.Errorf("apply:\n%s%s", c.stdout.String(), c.stderr.String())
	}
	c.mustRun(t, 0, "apply", "--unattended", "--config", file)
	if strings.Contains(c.stderr.String(), "odd") {
		t.Errorf("unattended, apply looks for what it means:\n%s", c.stderr.String())
	}
}

func TestApplyBeginsAnewWhenDisturbed(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	m.meddle = func(run int) error {
		if run <= 3 {
			return errors.New("iptables-nft-restore: line 3: RULE_APPEND failed (Device or resource busy)")
		}
		return nil
	}
	c.mustRun(t, 0, "apply", "--config", file)
	c.mustRun(t, 0, "diff", "--config", file)

	m = newMachine()
	c = newCommand(m)
	m.meddle = func(int) error { return errors.New("busy") }
	before := m.save()
	c.mustRun(t, 2, "apply", "--config", file)
	if m.runs != 5 || !strings.Contains(c.stderr.String(), "could not be made as "+file+" says: busy") || m.save() != before {
		t.Errorf("after %d runs: %s", m.runs, c.stderr.String())
	}
}

func TestApplySeesWhatDoesNotStay(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.mustRun(t, 0, "apply", "--config", file)
	// Somebody who flushes INPUT right after each run.
	flush := plan.Step{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*filter\n-F INPUT\nCOMMIT\n"}}}
	if err := m.kernel.Run(flush); err != nil {
		t.Fatal(err)
	}
	stubborn := &flusher{machine: m, flush: flush}
	m.disturbed = true
	c.env.Host.Kernel = stubborn
	c.mustRun(t, 2, "apply", "--config", file)
	if !strings.Contains(c.stderr.String(), "another program is writing at the same time") {
		t.Errorf("stderr: %s", c.stderr.String())
	}
}

// Without br_netfilter everything else is enforced, as the daemon does.
func TestApplyWithoutIsolation(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	m.bridged = errors.New("br_netfilter is missing")
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.mustRun(t, 0, "apply", "--config", file)
	if m.bridgeNF != 0 {
		t.Error("bridged traffic was switched without need")
	}
	rewrite(t, file, "defaults {\n  between = \"deny\"\n}\n", socket)
	before := m.save()
	c.mustRun(t, 2, "apply", "--config", file)
	if !strings.Contains(c.stderr.String(), "everything is in force except the isolation of containers on one network: br_netfilter is missing") || m.save() == before {
		t.Errorf("stderr: %s", c.stderr.String())
	}
}

// agentd is a pretended daemon: it puts its file in force when told to.
type agentd struct {
	mu      sync.Mutex
	status  reconcile.Status
	reloads int
	// reload is what reading the file again comes to.
	reload func(*reconcile.Status)
}

func (d *agentd) Status() reconcile.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

func (d *agentd) Reload() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reloads++
	d.reload(&d.status)
}

func newAgentd(file string) *agentd {
	loaded := time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)
	d := &agentd{status: reconcile.Status{State: reconcile.Enforcing, AppliedAt: loaded.Add(time.Second),
		Config: reconcile.ConfigStatus{Path: file, LoadedAt: loaded}}}
	d.reload = func(s *reconcile.Status) {
		s.Config.LoadedAt = s.Config.LoadedAt.Add(time.Minute)
		s.AppliedAt = s.Config.LoadedAt.Add(time.Millisecond)
	}
	return d
}

func TestApplyAsksTheDaemon(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	d := newAgentd(file)
	startDaemon(t, socket, d.Status, m.snapshot, d.Reload)
	c.mustRun(t, 0, "apply", "--config", file, "--json")
	if d.reloads != 1 || m.runs != 0 || !strings.Contains(c.stdout.String(), `"by": "agentd"`) {
		t.Errorf("%d reloads, %d own runs:\n%s", d.reloads, m.runs, c.stdout.String())
	}

	c.mustRun(t, 2, "apply", "--config", file, "--snapshot", file)
	if !strings.Contains(c.stderr.String(), "--snapshot cannot be applied beside it") {
		t.Errorf("stderr: %s", c.stderr.String())
	}

	d.reload = func(s *reconcile.Status) {
		s.Config.LoadedAt = s.Config.LoadedAt.Add(time.Hour)
		s.Reasons = []finding.Finding{{Code: "apply", Message: "line 3 failed"}}
	}
	c.mustRun(t, 2, "apply", "--config", file)
	if !strings.Contains(c.stderr.String(), "could not put the file in force, and goes on trying: line 3 failed") {
		t.Errorf("stderr: %s", c.stderr.String())
	}
}

// Another firewall's reload, which fails a pass or two, does not fail ours.
func TestApplyOutlastsOthersWhoWrite(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	d := newAgentd(file)
	var asked time.Time
	d.reload = func(s *reconcile.Status) {
		s.Config.LoadedAt = s.Config.LoadedAt.Add(time.Minute)
		asked = time.Now()
	}
	status := func() reconcile.Status {
		d.mu.Lock()
		defer d.mu.Unlock()
		s := d.status
		switch since := time.Since(asked); {
		case asked.IsZero():
		case since < time.Second:
			s.Reasons = []finding.Finding{{Code: "apply", Message: "line 3 failed"}}
		case since < 5*time.Second: // longer than a failure may last
			s.Reasons = []finding.Finding{{Code: "contested", Message: "another program is writing at the same time"}}
		default:
			s.AppliedAt = s.Config.LoadedAt.Add(time.Millisecond)
		}
		return s
	}
	startDaemon(t, socket, status, m.snapshot, d.Reload)
	c.mustRun(t, 0, "apply", "--config", file, "--unattended")
}

func TestApplyRefusesBesideADaemonWithAnotherFile(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	d := newAgentd("/etc/dockwall/agent.hcl")
	startDaemon(t, socket, d.Status, m.snapshot, d.Reload)
	c.mustRun(t, 2, "apply", "--config", file)
	if !strings.Contains(c.stderr.String(), "agentd runs with /etc/dockwall/agent.hcl and would undo what "+file+" says") || m.runs+d.reloads != 0 {
		t.Errorf("stderr: %s", c.stderr.String())
	}
}

// TestBootUnitDoesNotAskDocker applies what agentd saved: a Docker that is about
// to start is not asked, and nothing is said about it.
func TestBootUnitDoesNotAskDocker(t *testing.T) {
	m := newMachine()
	m.saved = m.snapshot
	m.saved.Engine.Connected = false
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	c := newCommand(m)
	c.env.Host.Facts = func(context.Context, config.Settings, time.Duration, func(int, int), hclog.Logger) (netinfo.Snapshot, error) {
		t.Error("Docker was asked")
		return m.snapshot, nil
	}
	c.mustRun(t, 0, "apply", "--unattended", "--saved-facts", "--config", file)
	if !strings.Contains(m.save(), "203.0.113.0/24") {
		t.Errorf("the policy is not in force:\n%s", m.save())
	}
	if c.stderr.Len() > 0 {
		t.Errorf("the boot unit says:\n%s", c.stderr.String())
	}
	c.mustRun(t, 2, "apply", "--saved-facts", "--confirm", "60s", "--config", file)
}
