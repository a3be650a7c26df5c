package compile

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// quarantineProblems names the containers that a quarantine block cuts off, and those on
// the host's network, of which it closes the ports alone: what they send is the host's.
func quarantineProblems(p policy.Policy, s netinfo.Snapshot) (ps []finding.Finding) {
	if len(p.Quarantines) == 0 {
		return nil
	}
	b := newBuilder(p, s)
	for _, q := range p.Quarantines {
		for _, c := range s.Containers {
			network, because := "", c.Name
			switch {
			case c.SharesWith != "":
				continue // the container whose network it uses is named
			case c.HostNetwork:
				network = hostNetwork
			case !slices.ContainsFunc(b.together(c), func(k netinfo.Container) bool { return q.Holds(k) }) || !b.cutAnywhere(q, c):
				continue
			}
			if c.HostNetwork && !b.cut(q, c, network) {
				continue
			}
			var checks []string
			for _, k := range b.together(c) {
				if q.Holds(k) {
					because = k.Name
					checks = append(checks, failing(q, k)...)
				}
			}
			slices.Sort(checks)
			text := fmt.Sprintf("%s: container %s is in quarantine because of %s", q.Origin.Subject, c.Name, strings.Join(slices.Compact(checks), ", "))
			if because != c.Name {
				text += fmt.Sprintf(" of %s, which uses its network", because)
			}
			ps = append(ps, finding.New(finding.Quarantined, text).About("container "+c.Name).At(q.Origin))
			if c.HostNetwork {
				ps = append(ps, finding.New(finding.NotCovered, fmt.Sprintf("%s: container %s is on the host's own network: its ports are closed, but what it sends is the host's and cannot be",
					q.Origin.Subject, c.Name)).About("container "+c.Name).At(q.Origin))
			}
		}
	}
	return ps
}

func failing(q *policy.Quarantine, c netinfo.Container) (ids []string) {
	for _, id := range c.Findings {
		if slices.Contains(q.On, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// cutAnywhere reports whether the block cuts the container off on one of its networks; of
// one that has no address yet, whether it will.
func (b *scope) cutAnywhere(q *policy.Quarantine, c netinfo.Container) bool {
	if len(c.Endpoints) == 0 {
		return b.cut(q, c, "")
	}
	return slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool {
		n, ok := b.network(e.NetworkID)
		return ok && n.Bridge != "" && b.cut(q, c, n.Name)
	})
}
