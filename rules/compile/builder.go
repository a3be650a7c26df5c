package compile

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// scope answers what the policy says of the host: which default a network has, where a
// container is, which ports it binds. It writes nothing.
type scope struct {
	p        policy.Policy
	s        netinfo.Snapshot
	top      topology
	own      own
	networks map[string]netinfo.Network // by ID
	// hosts are the services of the host itself.
	hosts services
	// sharing are the containers that share the network of another, by its ID, if there is
	// a quarantine block.
	sharing map[string][]netinfo.Container
}

func newScope(p policy.Policy, s netinfo.Snapshot) *scope {
	b := &scope{p: p, s: s, top: newTopology(s), own: newOwn(s), networks: make(map[string]netinfo.Network, len(s.Networks)), hosts: servicesOf(s.Listeners)}
	for _, n := range s.Networks {
		b.networks[n.ID] = n
	}
	return b
}

func (b *scope) network(id string) (netinfo.Network, bool) {
	n, ok := b.networks[id]
	return n, ok
}

// members makes the sets, and remembers what in them, and in the rules, depends on each
// container.
type members struct {
	*scope
	sets []rules.Set
	// named are the names of sets; gathered are those that containers are in.
	named    map[string]bool
	gathered []gathered
	// shaping notes that the rules themselves depend on a container, not only
	// members of sets.
	shaping []func(netinfo.Container) bool
	lists   lists
}

// paths writes the chains that judge by one kind of block or default.
type paths struct {
	*members
	chains []*chain
}

// builder writes the frame: the chains of the hooks, which lead each packet to the
// paths that judge it, and what comes before them.
type builder struct {
	*paths
	problems []finding.Finding
	// refusals are what the blocks refuse by source.
	refusals []refusal
}

func newBuilder(p policy.Policy, s netinfo.Snapshot) *builder {
	b := &builder{paths: &paths{members: &members{scope: newScope(p, s), named: map[string]bool{}, lists: lists{}}}}
	b.sharing = b.sharers()
	return b
}

// chain is a chain being written.
type chain struct {
	b     *paths
	name  string
	rules []rules.Rule
}

// chain returns the chain of that name, made at the first call.
func (b *paths) chain(name string) *chain {
	for _, c := range b.chains {
		if c.name == name {
			return c
		}
	}
	c := &chain{b: b, name: name}
	b.chains = append(b.chains, c)
	return c
}

func (c *chain) add(r ...rules.Rule) { c.rules = append(c.rules, r...) }

// deny reports and refuses what the matches hold for.
func (c *chain) deny(o rules.Origin, ms ...rules.Match) {
	c.report(o, ms...)
	kind := rules.Drop
	if c.b.p.DenyWith == policy.DenyReject {
		kind = rules.Reject
	}
	c.add(rules.Rule{Match: slices.Clone(ms), Verdict: rules.Verdict{Kind: kind}, Origin: o})
}

// report logs the packets that the matches hold for, and drops nothing.
func (c *chain) report(o rules.Origin, ms ...rules.Match) {
	if c.b.p.LogDenied {
		c.add(rules.Rule{Match: append(slices.Clone(ms), rules.Limit{Rate: logRate, Burst: logBurst}), Origin: o,
			Verdict: rules.Verdict{Kind: rules.Log, Group: LogGroup, Prefix: LogPrefix(o.Subject)}})
	}
}

func (b *paths) ret(o rules.Origin, ms ...rules.Match) rules.Rule {
	return rules.Rule{Match: ms, Verdict: rules.Verdict{Kind: rules.Return}, Origin: o}
}

func (b *paths) goTo(to string, o rules.Origin, ms ...rules.Match) rules.Rule {
	return rules.Rule{Match: ms, Verdict: rules.Verdict{Kind: rules.Goto, Chain: to}, Origin: o}
}

func (b *paths) jump(to string, o rules.Origin, ms ...rules.Match) rules.Rule {
	return rules.Rule{Match: ms, Verdict: rules.Verdict{Kind: rules.Jump, Chain: to}, Origin: o}
}

// stamp says that from here on the packet is judged.
func (b *paths) stamp() rules.Rule {
	return rules.Rule{Verdict: rules.Verdict{Kind: rules.Stamp}, Origin: byJudge}
}

// ruleset is what was built: chains and sets in order of name, and only those
// that a hook reaches.
func (b *builder) ruleset() rules.Ruleset {
	rs := rules.Ruleset{Hooks: []rules.Hook{
		{Base: rules.BaseDockerUser, Chain: chainForward},
		{Base: rules.BaseInput, Chain: chainInput},
		{Base: rules.BaseOutput, Chain: chainOutput},
		{Base: rules.BasePrerouting, Chain: chainEarly},
		{Guard: true, Base: rules.BaseForward, Chain: chainForwardGuard},
		{Guard: true, Base: rules.BaseInput, Chain: chainInputGuard},
	}}
	for _, c := range b.chains {
		rs.Chains = append(rs.Chains, rules.Chain{Name: c.name, Rules: c.rules})
	}
	reached := rs.Reached(chainForwardGuard, chainInputGuard, chainOutput, chainEarly)
	rs.Chains = slices.DeleteFunc(rs.Chains, func(c rules.Chain) bool { return !reached[c.Name] })
	slices.SortFunc(rs.Chains, func(x, y rules.Chain) int { return compareStrings(x.Name, y.Name) })
	rs.Sets = b.sets
	slices.SortFunc(rs.Sets, func(x, y rules.Set) int { return compareStrings(x.Name, y.Name) })
	return rs
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func in(l link) rules.Match  { return rules.InInterface{Name: l.name, Prefix: l.prefix} }
func out(l link) rules.Match { return rules.OutInterface{Name: l.name, Prefix: l.prefix} }

// dnat holds for packets that came to a published port: connection tracking
// remembers that the destination was changed. Without Original a reply, which
// belongs to the same connection, would match too.
func dnat() rules.Conn {
	return rules.Conn{States: []rules.ConnState{rules.StateDNAT}, Original: true}
}
