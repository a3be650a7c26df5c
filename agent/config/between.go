package config

import "dockwall/rules/policy"

// between decodes a between block.
func (d *decoder) between(s *section) {
	d.doc.Policy.Between = append(d.doc.Policy.Between, &policy.Between{
		Name: s.name, Origin: s.origin(),
		From: s.containers("from"), To: s.containers("to"), Ports: s.ownPorts("ports"),
	})
}
