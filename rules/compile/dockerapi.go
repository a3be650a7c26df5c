package compile

import (
	"cmp"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// apiPorts sends the engine's TCP ports to the chain that judges them: the two
// well-known ones always, so that they are closed before dockerd listens, whatever
// else it is seen serving its API on, and what docker_api lists. A container that publishes one of the
// well-known ports (a proxy for the API) is judged as what it is, unless
// dockerd has the port.
func (b *builder) apiPorts(c *chain) {
	if ms := b.publishedAPI(); b.anyContainer(func(c netinfo.Container) bool { return len(ms(c)) > 0 }) {
		to := chainProxy
		if c.name == chainHost {
			to = chainHairpin
		}
		for _, words := range [][]string{{"api"}, {"api", "again"}} { // see toPublished
			c.add(b.goTo(to, byDispatch, b.portSet("p", words, ms, b.apiOrigin())))
		}
	}
	o := b.apiOrigin()
	for _, r := range b.apiRanges() {
		c.add(b.goTo(chainAPI, o, rules.Proto{Proto: r.Proto}, rules.DestPort{Lo: r.Lo, Hi: r.Hi}))
	}
}

func (b *members) publishedAPI() portion {
	ranges := b.apiRanges()
	return b.proxied(func(_ netinfo.Container, p netinfo.PublishedPort) bool {
		return within(ranges, p.Proto, p.HostPort) && !slices.ContainsFunc(b.s.Listeners, func(l netinfo.Listener) bool {
			return l.Dockerd && l.Proto == p.Proto && l.Port == p.HostPort
		})
	})
}

func (b *scope) apiRanges() []policy.Ports {
	rs := []policy.Ports{{Proto: netinfo.TCP, Lo: 2375, Hi: 2376}}
	for _, l := range b.s.Listeners {
		// A loopback socket is not reachable from elsewhere.
		if l.Dockerd && l.Proto == netinfo.TCP && !l.Addr.IsLoopback() && !within(rs, l.Proto, l.Port) {
			rs = append(rs, policy.Ports{Proto: netinfo.TCP, Lo: l.Port, Hi: l.Port})
		}
	}
	if a := b.p.DockerAPI; a != nil {
		rs = append(rs, a.Ports...)
	}
	slices.SortFunc(rs, func(a, b policy.Ports) int {
		return cmp.Or(cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Proto, b.Proto))
	})
	return rs
}

func (b *builder) api() {
	c := b.chain(chainAPI)
	if a := b.p.DockerAPI; a != nil {
		for _, port := range b.apiOpen(a) {
			for _, src := range b.sources(a.From, a.Except, a.Via, a.Origin) {
				c.add(b.ret(a.Origin, concat(port, src)...))
			}
		}
	}
	c.deny(b.apiOrigin())
}

// apiOpen returns the ports that the block opens, each as the matches of a rule; none
// of these match every port.
func (b *members) apiOpen(a *policy.DockerAPI) [][]rules.Match {
	ports := a.Ports
	if a.RequireTLS {
		ports = nil
		for _, port := range provenPorts(b.s, b.apiRanges()) {
			if within(a.Ports, netinfo.TCP, port) {
				ports = append(ports, policy.Ports{Proto: netinfo.TCP, Lo: port, Hi: port})
			}
		}
	} else if len(ports) == 0 {
		return [][]rules.Match{{}}
	}
	var open [][]rules.Match
	for _, r := range ports {
		open = append(open, []rules.Match{rules.Proto{Proto: r.Proto}, rules.DestPort{Lo: r.Lo, Hi: r.Hi}})
	}
	return open
}

// provenPorts returns the ports in the ranges that are proven to ask for a client's
// certificate, sorted.
func provenPorts(s netinfo.Snapshot, in []policy.Ports) []uint16 {
	var ports []uint16
	for _, p := range s.Proofs {
		if within(in, netinfo.TCP, p.Port) && s.Proven(p.Port) {
			ports = append(ports, p.Port)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

func (b *scope) apiOrigin() rules.Origin {
	if a := b.p.DockerAPI; a != nil {
		return a.Origin
	}
	return rules.KindDockerAPI.Origin()
}
