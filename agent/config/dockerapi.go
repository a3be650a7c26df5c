package config

import "dockwall/rules/policy"

// dockerAPI decodes the docker_api block.
func (d *decoder) dockerAPI(s *section) {
	d.doc.Policy.DockerAPI = &policy.DockerAPI{
		Origin: s.origin(), From: s.addressList("from"), Except: s.addressList("except"), Via: s.interfaces("via"),
	}
}
