package config

import (
	"fmt"
	"slices"

	"dockwall/rules"
	"dockwall/rules/policy"
)

// spoofing decodes a spoofing block.
func (d *decoder) spoofing(s *section) {
	attrs := s.hcl.Body.Attributes
	if attrs["addresses"] == nil && attrs["macs"] == nil {
		s.fail(s.hcl.DefRange(), &problem{s.title() + " has neither addresses nor macs",
			`Say what the containers may send from besides their own: addresses = ["172.18.0.250"], or macs = ["00:00:5e:00:01:0a"].`})
	}
	b := &policy.Spoofing{Name: s.name, Origin: s.origin(), Of: s.containers("of"), Addresses: s.addressList("addresses")}
	if coversFamily(b.Addresses.Prefixes()) {
		s.warn(attrs["addresses"].Expr.Range(), &problem{s.title() + " allows every address",
			"addresses holds a whole address family: the containers may send in the name of their neighbours and of the host."})
	}
	for _, v := range s.texts("macs", checkMAC) {
		m, _ := rules.ParseMAC(v)
		b.MACs = append(b.MACs, m)
	}
	slices.SortFunc(b.MACs, rules.MAC.Compare)
	b.MACs = slices.Compact(b.MACs)
	d.doc.Policy.Spoofing = append(d.doc.Policy.Spoofing, b)
}

// checkMAC takes an Ethernet address that can send.
func checkMAC(v string) *problem {
	m, err := rules.ParseMAC(v)
	switch {
	case err != nil:
		return &problem{fmt.Sprintf("%q is not an Ethernet address", v), `Write it as ip link shows it: "00:00:5e:00:01:0a".`}
	case m.Group() || m == rules.MAC{}:
		return &problem{fmt.Sprintf("Nothing sends from the Ethernet address %q", v), "It is that of a group, or of nothing."}
	}
	return nil
}
