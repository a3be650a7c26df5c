package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"dockwall/agent/enforce"
	"dockwall/agent/reconcile"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/plan"
)

// unreported is a host whose kernel refuses rules that report packets.
type unreported struct{ *machine }

// noNFLOG is how a tool says so.
type noNFLOG struct{ error }

func (noNFLOG) Lacks() (rules.VerdictKind, bool) { return rules.Log, true }

func (m unreported) Run(ctx context.Context, p plan.Plan) error {
	for _, s := range p.Steps {
		if strings.Contains(s.Script().Body, "-j NFLOG") {
			return noNFLOG{errors.New("No chain/target/match by that name")}
		}
	}
	return m.machine.Run(ctx, p)
}

// Without NFLOG the ruleset without reports is the wanted one, for every verb.
func TestVerbsWithoutNFLOG(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	c.env.Host.Kernel = unreported{m}
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.mustRun(t, 0, "apply", "--rules", "--config", file)
	if out := c.stdout.String(); strings.Contains(out, "NFLOG --") || !strings.Contains(out, "-j DROP") || !strings.Contains(out, "denied packets are dropped, but not reported") {
		t.Errorf("apply says\n%s", out)
	}
	c.mustRun(t, 0, "diff", "--config", file)
	if out := c.stdout.String(); !strings.Contains(out, "nothing to change") || !strings.Contains(out, "denied packets are dropped, but not reported") {
		t.Errorf("diff says\n%s", out)
	}
	for _, args := range [][]string{nil, {"--confirm", "60s"}} {
		c.mustRun(t, 0, append([]string{"apply", "--config", file, "--json"}, args...)...)
		var r struct {
			Changed bool
			Trial   *reconcile.Trial
			Limits  []struct{ Code string }
		}
		if err := json.Unmarshal(c.stdout.Bytes(), &r); err != nil || r.Changed || r.Trial != nil || len(r.Limits) != 1 || r.Limits[0].Code != "not_reported" {
			t.Errorf("apply %v = %s, %v", args, c.stdout.String(), err)
		}
	}
	c.mustRun(t, 0, "rules", "--config", file)
	if strings.Contains(c.stdout.String(), "NFLOG") {
		t.Errorf("rules prints what is not in force:\n%s", c.stdout.String())
	}

	// The module is loaded: the next apply finds out.
	c.env.Host.Kernel = m
	c.mustRun(t, 0, "apply", "--config", file)
	if !strings.Contains(m.save(), "NFLOG") || strings.Contains(c.stdout.String(), "not reported") {
		t.Errorf("apply says\n%s", c.stdout.String())
	}
	c.mustRun(t, 0, "diff", "--config", file)
	if _, err := os.Stat(enforce.LimitsPath(socket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the limits are still kept: %v", err)
	}
}

// cuts is a cutter that notes what it is asked for.
type cuts struct {
	asked []string
	ended int
	err   error
}

func (c *cuts) Ask(rules.Ruleset, netinfo.Snapshot)      { c.asked = append(c.asked, "cut") }
func (c *cuts) AskFirst(rules.Ruleset, netinfo.Snapshot) { c.asked = append(c.asked, "first") }

func (c *cuts) Finish(context.Context) (int, error) {
	if len(c.asked) == 0 {
		return 0, nil
	}
	return c.ended, c.err
}

// Connections that the file no longer allows are cut, as the daemon does, or apply
// says why they are not.
func TestApplyCuts(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	cutter := &cuts{ended: 3}
	c.env.Host.Cutter = cutter
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	next := func(want string, args ...string) {
		t.Helper()
		cutter.asked = nil
		c.mustRun(t, 0, append([]string{"apply", "--config", file}, args...)...)
		if got := strings.Join(cutter.asked, " "); got != want {
			t.Errorf("the cutter was asked for %q, want %q", got, want)
		}
	}
	next("first")
	if !strings.Contains(c.stdout.String(), "3 connections that the file no longer allows: cut.\n") {
		t.Errorf("apply says\n%s", c.stdout.String())
	}
	next("")
	if strings.Contains(c.stdout.String(), "connection") {
		t.Errorf("apply says\n%s", c.stdout.String())
	}
	rewrite(t, file, policyFrom("198.51.100.0/24"), socket)
	next("cut", "--json")
	if !strings.Contains(c.stdout.String(), `"connections_cut": 3`) {
		t.Errorf("apply --json says\n%s", c.stdout.String())
	}

	rewrite(t, file, policyFrom("203.0.113.0/24"), socket)
	cutter.err = errors.New("no conntrack")
	next("cut")
	if !strings.Contains(c.stderr.String(), "may go on: no conntrack") {
		t.Errorf("stderr: %s", c.stderr.String())
	}
	rewrite(t, file, policyFrom("198.51.100.0/24"), socket)
	m.snapshot.Engine.Known = false
	c.mustRun(t, 0, "apply", "--config", file)
	if !strings.Contains(c.stderr.String(), "connections that the file no longer allows are not cut") {
		t.Errorf("stderr: %s", c.stderr.String())
	}
}
