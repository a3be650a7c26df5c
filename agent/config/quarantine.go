package config

import (
	"fmt"
	"slices"

	"dockwall/rules/audit"
	"dockwall/rules/policy"
)

// quarantine decodes a quarantine block.
func (d *decoder) quarantine(s *section) {
	q := &policy.Quarantine{Name: s.name, Origin: s.origin(), On: s.texts("on", checkContainerCheck), Except: s.containers("except")}
	slices.Sort(q.On)
	d.doc.Policy.Quarantines = append(d.doc.Policy.Quarantines, q)
}

// checkContainerCheck wants the ID of a check that judges containers: only these can be
// cut off.
func checkContainerCheck(id string) *problem {
	if p := checkCheckID(id); p != nil {
		return p
	}
	if c, ok := audit.Find(id); ok && !c.OfContainers() {
		return &problem{fmt.Sprintf("The check %q does not judge containers", id), "Only a container can be cut off: name a check whose findings are about containers, such as \"container.privileged\"."}
	}
	if c, ok := audit.Find(id); ok && c.Hearsay() {
		return &problem{fmt.Sprintf("The check %q cannot cut a container off", id), "Another container can bring it about by forging addresses. Name a check of what the container is, such as \"container.privileged\"."}
	}
	return nil
}
