package config

import "dockwall/rules/policy"

// network decodes a network block: the defaults of one Docker network.
func (d *decoder) network(s *section) {
	n := policy.Network{Name: s.name, Origin: s.origin()}
	for _, k := range policy.Defaulted() {
		s.action(string(k), n.Of(k))
	}
	if len(s.hcl.Body.Attributes) == 0 {
		s.warn(s.hcl.DefRange(), &problem{s.title() + " says nothing", `Write for instance between = "deny", or leave the block out.`})
	}
	d.doc.Policy.Networks = append(d.doc.Policy.Networks, n)
}
