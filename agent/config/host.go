package config

import "dockwall/rules/policy"

// host decodes a host block.
func (d *decoder) host(s *section) {
	d.doc.Policy.Host = append(d.doc.Policy.Host, &policy.Host{
		Name: s.name, Origin: s.origin(), From: s.containers("from"), Ports: s.ports("ports"),
	})
}
