package audit

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/netinfo/inventory"
	rules "dockwall/rules/audit"
)

// Judge adds to each container of the snapshot what an audit of the inventory finds of it.
func Judge(s *netinfo.Snapshot, in *inventory.Inventory, settings rules.Settings) {
	failed, read := map[string][]string{}, map[string]bool{}
	for i := range in.Containers.Value {
		read[in.Containers.Value[i].ID] = true
	}
	for _, f := range rules.Failures(in, settings).Findings {
		if f.State == rules.Fail && f.Subject.Kind == "container" {
			failed[f.Subject.ID] = append(failed[f.Subject.ID], f.ID)
		}
	}
	s.Containers = slices.Clone(s.Containers)
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Judged, c.Findings = read[c.ID], failed[c.ID]
		slices.Sort(c.Findings)
	}
}
