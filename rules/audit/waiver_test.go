package audit

import (
	"testing"

	"dockwall/netinfo/inventory"
)

// A waived failure counts no more, and keeps what failed and why that is accepted.
func TestWaived(t *testing.T) {
	in := hardened()
	in.Containers.Value[0].Privileged = true
	other := web()
	other.ID, other.Name, other.Privileged = "c2", "db", true
	in.Containers.Value = append(in.Containers.Value, other)
	skip := Skip{ID: "container.privileged", Reason: "it builds images", Until: "2027-01-15", Position: "agent.hcl:7",
		Of: func(c *inventory.Container) bool { return c.Name == "web" }}
	for today, want := range map[string]State{"2027-01-15": Waived, "2027-01-16": Fail} {
		r := Judge(&in, Settings{Only: []string{"container.privileged"}, Skips: []Skip{skip}, Today: today})
		states := map[string]State{}
		for _, f := range r.Findings {
			states[f.Subject.Name] = f.State
			if f.State == Waived && (f.Waiver == nil || f.Waiver.Reason != "it builds images" || f.Fix != "" || f.Detail != "HostConfig.Privileged is true") {
				t.Errorf("on %s: %+v", today, f)
			}
		}
		if states["web"] != want || states["db"] != Fail {
			t.Errorf("on %s: %v", today, states)
		}
	}
	skip.Of = nil
	if r := Judge(&in, Settings{Only: []string{"container.privileged"}, Skips: []Skip{skip}, Today: "2027-01-01"}); r.Code("low") != 0 || r.Count(Waived, "low") != 2 {
		t.Errorf("%+v", r)
	}
}
