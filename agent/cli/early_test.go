package cli_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"dockwall/rules/finding"
)

func TestSavedSets(t *testing.T) {
	for name, tt := range map[string]struct {
		made   []string
		err    error
		euid   int
		code   int
		output string
	}{
		"nothing to do": {},
		"two":           {made: []string{"dockwall4-a", "dockwall6-a"}, output: "made 2 empty sets"},
		"ipset fails":   {err: errors.New("making the sets of IPv4: ipset is missing"), code: 2, output: "making the sets of IPv4: ipset is missing"},
		"not as a user": {euid: 1000, code: 2, output: "root"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCommand(newMachine())
			asked := 0
			c.env.EUID = tt.euid
			c.env.SavedSets = func(context.Context) ([]string, error) { asked++; return tt.made, tt.err }
			c.mustRun(t, tt.code, "saved-sets")
			got := c.stdout.String() + c.stderr.String()
			if !strings.Contains(got, tt.output) || tt.output == "" && got != "" {
				t.Errorf("it says %q", got)
			}
			if (asked == 1) != (tt.euid == 0) {
				t.Errorf("the sets were asked for %d times", asked)
			}
		})
	}
}

// remove warns of files that are not loaded any more once dockwall is gone.
func TestRemoveWarnsOfSavedRules(t *testing.T) {
	c := newCommand(newMachine())
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.env.RulesOnDisk = func() []finding.Finding {
		return []finding.Finding{finding.New(finding.SavedRules, "/etc/iptables/rules.v4, line 3, holds rules of dockwall's.")}
	}
	c.mustRun(t, 0, "remove", "--config", file)
	if got := c.stdout.String(); !strings.Contains(got, "\nWarning: /etc/iptables/rules.v4, line 3,") {
		t.Errorf("remove says %q", got)
	}
	c.mustRun(t, 0, "remove", "--config", file, "--json")
	if got := c.stdout.String(); !strings.Contains(got, `"saved_rules"`) {
		t.Errorf("remove --json says %s", got)
	}
}
