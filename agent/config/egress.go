package config

import "dockwall/rules/policy"

// egress decodes an egress block.
func (d *decoder) egress(s *section) {
	d.doc.Policy.Egress = append(d.doc.Policy.Egress, &policy.Egress{
		Name: s.name, Origin: s.origin(),
		From: s.containers("from"), Ports: s.ownPorts("ports"), Via: s.interfaces("via"),
		To: s.addressList("to"), Except: s.addressList("except"),
	})
}
