package config

import "dockwall/rules/policy"

// swarm decodes the swarm block.
func (d *decoder) swarm(s *section) {
	b := &policy.Swarm{Origin: s.origin(), Peers: s.addressList("peers")}
	if b.Peers.Any() {
		s.warn(s.hcl.Body.Attributes["peers"].Expr.Range(), &problem{"swarm lets in everyone",
			`peers holds every address; without the block it is the same.`})
	}
	d.doc.Policy.Swarm = b
}
