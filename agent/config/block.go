package config

import "dockwall/rules/policy"

// block decodes a block block.
func (d *decoder) block(s *section) {
	attrs := s.hcl.Body.Attributes
	if attrs["from"] == nil && attrs["to"] == nil {
		s.fail(s.hcl.DefRange(), &problem{s.title() + " has neither from nor to",
			"Say from whom nothing may come: from = [addresses.NAME]; or to whom no container may connect: to = [addresses.NAME]."})
	}
	b := &policy.Block{Name: s.name, Origin: s.origin(), From: s.addressList("from"), To: s.addressList("to")}
	if coversFamily(b.From.Prefixes()) {
		s.warn(attrs["from"].Expr.Range(), &problem{s.title() + " locks everyone out",
			"from holds a whole address family, and block beats every allow."})
	}
	if coversFamily(b.To.Prefixes()) {
		s.warn(attrs["to"].Expr.Range(), &problem{s.title() + " cuts every container off",
			"to holds a whole address family, and block beats every allow."})
	}
	d.doc.Policy.Blocks = append(d.doc.Policy.Blocks, b)
}
