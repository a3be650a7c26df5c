package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// Latch returns what of the host is closed where a ruleset of this policy is
// taken away: what its chains stamp, by the same interfaces. In INPUT nothing can
// be stamped; there it is only the engine's TCP ports, where few addresses may
// reach them, and no container has published one of them.
func Latch(p policy.Policy, s netinfo.Snapshot) rules.Latch {
	b := newBuilder(p, s)
	l := rules.Latch{NotDocker: interfaces(b.top.notDocker), Docker: interfaces(b.top.towards()), Elsewhere: interfaces(b.top.elsewhere),
		Uplinks: interfaces(b.top.uplinks), Bridges: interfaces(b.top.bridges)}
	from, few := apiClients(p.DockerAPI)
	ms := b.publishedAPI()
	if few && !b.anyContainer(func(c netinfo.Container) bool { return len(ms(c)) > 0 }) {
		for _, r := range b.apiRanges() {
			if r.Proto == netinfo.TCP {
				l.Ports = append(l.Ports, rules.PortRange{Lo: r.Lo, Hi: r.Hi})
			}
		}
		if a := p.DockerAPI; a == nil || !a.RequireTLS || len(provenPorts(s, b.apiRanges())) > 0 {
			l.From = from
		}
	}
	return l
}

// fewClients is how many addresses the latch looks at one after the other.
const fewClients = 100

// apiClients are the addresses that may reach the engine's ports by any NIC,
// what is excepted included: the latch is never tighter than the rules.
func apiClients(a *policy.DockerAPI) (from []netip.Prefix, few bool) {
	if a == nil {
		return nil, true
	}
	from = slices.Clone(a.From.Literals)
	for _, ref := range a.From.Refs {
		if len(from)+len(ref.Prefixes) > fewClients {
			return nil, false
		}
		from = append(from, ref.Prefixes...)
	}
	return from, len(from) <= fewClients
}

func interfaces(ls []link) []rules.Interface {
	out := make([]rules.Interface, 0, len(ls))
	for _, l := range ls {
		out = append(out, rules.Interface{Name: l.name, Prefix: l.prefix})
	}
	return out
}
