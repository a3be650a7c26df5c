package compile

import (
	"dockwall/netinfo"
	"dockwall/rules/policy"
)

// Isolated reports of a bridge, by name, whether the policy isolates containers on
// it. The rules see traffic between two ports of one bridge only if the kernel is
// told to show it, for this bridge (nf_call_iptables and nf_call_ip6tables) or for
// all.
//
// It is true of bridges that are made later as well, if they are named as Docker
// names them and the strictest default isolates: a container's process may run
// before the engine lists its network. It is false of all other bridges, which may
// be those of virtual machines. A quarantine block isolates on all of Docker's bridges:
// any container may turn out to be cut off. nil: the policy isolates nowhere.
func Isolated(p policy.Policy, s netinfo.Snapshot) func(bridge string) bool {
	b := newBuilder(p, s)
	m := b.matterBetween()
	if len(p.Quarantines) == 0 && !b.denies(m) {
		return nil
	}
	known := map[string]bool{}
	for _, n := range s.Networks {
		if n.Bridge != "" {
			known[n.Bridge] = known[n.Bridge] || len(p.Quarantines) > 0 || b.effective(n.Name, m) == policy.Deny
		}
	}
	strict, _ := b.forUnknown(m)
	strict = strict || len(p.Quarantines) > 0
	if strict {
		for _, l := range s.Links {
			if _, told := known[l.Name]; !told && looksDocker(l) {
				known[l.Name] = true
			}
		}
	}
	for _, l := range s.Links {
		if _, told := known[l.Name]; !told && l.Kind == "bridge" {
			known[l.Name] = false // another program's
		}
	}
	return func(bridge string) bool {
		isolated, told := known[bridge]
		return isolated || !told && strict && netinfo.DockerNamed(bridge)
	}
}
