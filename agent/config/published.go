package config

import "dockwall/rules/policy"

// published decodes a published block.
func (d *decoder) published(s *section) {
	d.doc.Policy.Published = append(d.doc.Policy.Published, &policy.Published{
		Name: s.name, Origin: s.origin(),
		To: s.containers("to"), Ports: s.ports("ports"), Via: s.interfaces("via"),
		From: s.addressList("from"), Except: s.addressList("except"),
	})
}
