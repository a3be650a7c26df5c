package draw

import "dockwall/rules/picture"

// markParts makes the dots of ports partial where not all sources on the lane
// reach the port: a range of ports that is open to some as a whole, to others
// in part, or an address of one family. all are the entries of each gate.
func markParts(groups []group, all [][]entry) {
	for i := range groups {
		for j := range groups[i].rows {
			for k := range groups[i].rows[j].ports {
				p := &groups[i].rows[j].ports[k]
				for n := range p.plugs {
					p.plugs[n].part = !reachedByAll(p.of, p.plugs[n].policy, all)
				}
			}
		}
	}
}

// reachedByAll reports whether every source on the policy's lane reaches the port.
func reachedByAll(port *picture.Port, policy string, all [][]entry) bool {
	for gate, entries := range all {
		for i := range entries {
			if entries[i].on(policy) && !entries[i].reaches(port, gate) {
				return false
			}
		}
	}
	return true
}

func (e *entry) on(policy string) bool {
	for _, p := range e.plugs {
		if p.policy == policy && !e.blocked {
			return true
		}
	}
	return false
}

func (e *entry) reaches(port *picture.Port, gate int) bool {
	for _, s := range e.sources {
		found := false
		for _, a := range port.Access {
			found = found || a.Gate == gate && a.Source == s
		}
		if !found {
			return false
		}
	}
	return true
}

// allEntries are those of each gate that is drawn; none of one that is not.
func allEntries(p *picture.Picture) [][]entry {
	all := make([][]entry, len(p.Gates))
	for i := range p.Gates {
		// Without a NIC it is an interface that may come.
		if len(p.Gates[i].NICs) > 0 || len(p.Gates) == 1 {
			all[i] = entries(p, i)
		}
	}
	return all
}
