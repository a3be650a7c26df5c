package config

import "dockwall/rules/policy"

// dockerAPI decodes the docker_api block.
func (d *decoder) dockerAPI(s *section) {
	b := &policy.DockerAPI{
		Origin: s.origin(), From: s.addressList("from"), Except: s.addressList("except"), Via: s.interfaces("via"), Ports: s.tcpPorts("ports"),
	}
	s.boolean("require_tls", &b.RequireTLS)
	d.doc.Policy.DockerAPI = b
}
