package config

import "dockwall/rules/policy"

// host decodes a host block.
func (d *decoder) host(s *section) {
	h := &policy.Host{Name: s.name, Origin: s.origin(), From: s.containers("from"), Ports: s.ownPorts("ports")}
	// What is no list, or has errors in it, was reported.
	h.NoPorts = len(h.Ports) == 0 && s.hcl.Body.Attributes["ports"] != nil
	d.doc.Policy.Host = append(d.doc.Policy.Host, h)
}
