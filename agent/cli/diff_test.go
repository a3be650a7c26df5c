package cli_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"dockwall/agent/cli/ask"
	"dockwall/agent/reconcile"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/meaning"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
)

func TestDiffChangesNothing(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	before := m.save()
	c.mustRun(t, 1, "diff", "--rules", "--config", file)
	if m.save() != before || m.runs != 0 || m.bridgeNF != 0 {
		t.Errorf("diff changed the kernel (%d runs)", m.runs)
	}
	for _, want := range []string{"--- kernel\n+++ " + file + "\n", "@@ filter DOCKWALL-PUBLISHED (IPv4) @@\n+", "@@ filter INPUT (IPv6) @@\n+",
		"chains alike, shown with --full", "\n0 rules would go, "} {
		if !strings.Contains(c.stdout.String(), want) {
			t.Errorf("diff does not print %q:\n%s", want, c.stdout.String())
		}
	}
	c.mustRun(t, 1, "diff", "--config", file, "--full")
	if !strings.Contains(c.stdout.String(), "@@ security DOCKWALL-PUBLISHED (IPv4) @@\n+") {
		t.Errorf("diff --full leaves the guard out:\n%s", c.stdout.String())
	}
}

func TestDiffAfterApply(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.mustRun(t, 0, "apply", "--config", file)
	c.mustRun(t, 0, "diff", "--config", file)
	if want := "The kernel is as " + file + " says: nothing to change.\n"; c.stdout.String() != want {
		t.Errorf("stdout = %q, want %q", c.stdout.String(), want)
	}
	c.mustRun(t, 0, "diff", "--config", file, "--json")
	var same struct {
		FormatVersion int `json:"format_version"`
		Changed       bool
		Meaning       []meaning.Change
		Changes       []plan.Change
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &same); err != nil || same.FormatVersion != 1 || same.Changed || same.Meaning == nil || same.Changes == nil || len(same.Changes) != 0 {
		t.Errorf("diff --json = %s, %v", c.stdout.String(), err)
	}
	rewrite(t, file, policyFrom("198.51.100.0/24"), socket)
	c.mustRun(t, 1, "diff", "--rules", "--config", file)
	for _, want := range []string{" -> dockwall4-", "-203.0.113.0/24\n", "+198.51.100.0/24\n", "1 set member would go, 1 set member would come."} {
		if !strings.Contains(c.stdout.String(), want) {
			t.Errorf("diff does not print %q:\n%s", want, c.stdout.String())
		}
	}
}

func TestDiffSaysWhatItMeans(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.env.Meaning = func(b ask.Before, after rules.Ruleset, s netinfo.Snapshot, names policy.Policy) (meaning.Difference, error) {
		if len(after.Chains) == 0 || len(s.Containers) != 1 || b.Backend.Limits().Unguarded || len(names.Published) != 1 {
			t.Errorf("Meaning was told %d chains, %d containers, %d published blocks", len(after.Chains), len(s.Containers), len(names.Published))
		}
		return meaning.Difference{Table: []meaning.Entry{{Reached: []string{"web 8080/tcp"}, Gains: []string{"office"}, Blocks: []meaning.Place{{Policy: rules.ParseSubject("published.shop")}}}}}, nil
	}
	c.mustRun(t, 1, "diff", "--config", file)
	if !strings.HasPrefix(c.stdout.String(), "REACHED       GAINS   BLOCK\nweb 8080/tcp  office  published.shop\n0 rules would go, ") || strings.Contains(c.stdout.String(), "kernel") {
		t.Errorf("diff:\n%s", c.stdout.String())
	}
	c.env.Meaning = func(ask.Before, rules.Ruleset, netinfo.Snapshot, policy.Policy) (meaning.Difference, error) {
		return meaning.Difference{}, errors.New("odd")
	}
	c.mustRun(t, 2, "diff", "--config", file)
}

func TestDiffTakesTheDaemonsFacts(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	known := m.snapshot
	m.snapshot = netinfo.Snapshot{Links: known.Links}
	startDaemon(t, socket, func() reconcile.Status { return reconcile.Status{} }, known, func() {})
	c.mustRun(t, 1, "diff", "--rules", "--config", file)
	if !strings.Contains(c.stdout.String(), "+172.17.0.2") {
		t.Errorf("the container that only the daemon knows is not in the diff:\n%s", c.stdout.String())
	}
}

func TestLongSetsAreCut(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	var list []string
	for i := range 100 {
		list = append(list, `"198.51.100.`+string([]byte{byte('0' + i/10), byte('0' + i%10)})+`"`)
	}
	for i := range list { // no leading zeros
		list[i] = strings.Replace(list[i], ".0", ".", 1)
	}
	list[0] = `"198.51.100.100"`
	file, _ := writeConfig(t, `published "shop" { from = [`+strings.Join(list, ", ")+"] }\n")
	c.mustRun(t, 1, "diff", "--rules", "--config", file)
	if got := strings.Count(c.stdout.String(), "+198.51.100."); got != 20 || !strings.Contains(c.stdout.String(), "+ (80 more, shown with --full)\n") {
		t.Errorf("%d members shown:\n%s", got, c.stdout.String())
	}
	c.mustRun(t, 1, "diff", "--config", file, "--full")
	if got := strings.Count(c.stdout.String(), "+198.51.100."); got != 100 {
		t.Errorf("%d members shown with --full", got)
	}
}

func TestBadFileIsTrouble(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, _ := writeConfig(t, "published \"x\" {}\n")
	before := m.save()
	for _, verb := range []string{"diff", "apply", "rules", "snapshot"} {
		c.mustRun(t, 2, verb, "--config", file)
		if c.stdout.Len() > 0 || !strings.Contains(c.stderr.String(), "at "+file+":4:1") {
			t.Errorf("%s: stdout %q, stderr:\n%s", verb, c.stdout.String(), c.stderr.String())
		}
	}
	if m.save() != before {
		t.Error("a bad file changed the kernel")
	}
}

func TestColours(t *testing.T) {
	tests := []struct {
		name     string
		terminal bool
		vars     map[string]string
		want     bool
	}{
		{"pipe", false, nil, false},
		{"terminal", true, nil, true},
		{"terminal, NO_COLOR", true, map[string]string{"NO_COLOR": "1"}, false},
		{"terminal, NO_COLOR empty", true, map[string]string{"NO_COLOR": ""}, true},
		{"dumb terminal", true, map[string]string{"TERM": "dumb"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCommand(newMachine())
			c.env.IsTerminal = func(io.Writer) bool { return tt.terminal }
			c.vars = tt.vars
			file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
			c.mustRun(t, 1, "diff", "--rules", "--config", file)
			if got := strings.Contains(c.stdout.String(), "\x1b["); got != tt.want {
				t.Errorf("colours = %v, want %v", got, tt.want)
			}
			c.mustRun(t, 1, "diff", "--config", file, "--json")
			if strings.Contains(c.stdout.String(), "\x1b[") || !json.Valid(c.stdout.Bytes()) {
				t.Errorf("colours in JSON")
			}
		})
	}
}

func TestOnlyRoot(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	c.env.EUID = 1000
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	for _, verb := range []string{"diff", "apply", "remove"} {
		c.mustRun(t, 2, verb, "--config", file)
		if !strings.Contains(c.stderr.String(), "agentctl "+verb+" ") || !strings.Contains(c.stderr.String(), "sudo") {
			t.Errorf("%s: %s", verb, c.stderr.String())
		}
	}
	for _, verb := range []string{"check", "rules", "snapshot", "version"} {
		c.mustRun(t, 0, verb, "--config", file)
	}
	if m.runs != 0 {
		t.Error("something was changed")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestFullDiskIsTrouble(t *testing.T) {
	c := newCommand(newMachine())
	c.env.Stdout = full{}
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	for _, args := range [][]string{{"diff"}, {"diff", "--json"}, {"version"}, {"rules"}, {"snapshot"}} {
		c.mustRun(t, 2, append(args, "--config", file)...)
		if !strings.Contains(c.stderr.String(), "no space left") {
			t.Errorf("%v: %s", args, c.stderr.String())
		}
	}
}
