package config

import "testing"

// TestEmptyListsThatMeanNothing reads to = [] as nowhere, ports = [] as none, and a list
// that was left out as all.
func TestEmptyListsThatMeanNothing(t *testing.T) {
	path := write(t, t.TempDir(), "agent.hcl", `containers "jail" { names = ["jail"] }
egress "jail" {
  from = [containers.jail]
  to   = []
}
host "jail" {
  from  = [containers.jail]
  ports = []
}
host "other" { from = [containers.jail] }
`)
	doc, diags := Load(path)
	if doc == nil || len(diags) > 0 {
		t.Fatal(textOf(t, diags))
	}
	p := doc.Policy
	if !p.Egress[0].To.Empty() || !p.Host[0].NoPorts || p.Host[1].NoPorts {
		t.Errorf("to is %v; ports are none: %v, %v", p.Egress[0].To, p.Host[0].NoPorts, p.Host[1].NoPorts)
	}
}
