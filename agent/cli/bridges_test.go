package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"dockwall/agent/cli/ask"
)

// switching are bridges of which some would be switched.
type switching struct {
	*machine
	on, off []string
}

func (s switching) Switches(isolated func(string) bool) (on, off []string, err error) {
	if isolated == nil {
		return nil, s.off, nil
	}
	return s.on, s.off, nil
}

// diff shows which bridges apply would switch, and switches none.
func TestDiffShowsBridges(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	s := &switching{machine: m}
	c.env.Host.Bridges = func(string) ask.Bridges { return s }
	file, _ := writeConfig(t, "defaults {\n  between = \"deny\"\n}\n")
	c.mustRun(t, 0, "apply", "--config", file)
	c.mustRun(t, 0, "diff", "--config", file)
	s.on, s.off = []string{"br-0123456789ab"}, []string{"team-b"}
	m.bridgeNF = 0
	c.mustRun(t, 1, "diff", "--config", file)
	for _, want := range []string{"bridge br-0123456789ab: nf_call_iptables and nf_call_ip6tables would be switched on", "bridge team-b: nf_call_iptables and nf_call_ip6tables would be switched back"} {
		if out := c.stdout.String(); !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	c.mustRun(t, 1, "diff", "--config", file, "--json")
	var r struct {
		Changed bool
		Bridges []struct {
			Bridge string
			Shown  bool
		}
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &r); err != nil || !r.Changed || len(r.Bridges) != 2 || !r.Bridges[0].Shown || r.Bridges[1].Shown {
		t.Errorf("%s, %v", c.stdout.String(), err)
	}
	if m.bridgeNF != 0 {
		t.Error("diff has switched bridges")
	}
}
