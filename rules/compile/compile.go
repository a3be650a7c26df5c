package compile

import (
	"slices"
	"unicode/utf8"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// The chains. DOCKWALL-FORWARD, DOCKWALL-INPUT and DOCKWALL-OUTPUT are hooked,
// the others are reached from them.
const (
	chainForward = "DOCKWALL-FORWARD"
	chainInput   = "DOCKWALL-INPUT"
	// What the guard's table enters by.
	chainForwardGuard = "DOCKWALL-FORWARD-GUARD"
	chainInputGuard   = "DOCKWALL-INPUT-GUARD"
	chainForwardNew   = "DOCKWALL-FORWARD-NEW"
	chainInputNew     = "DOCKWALL-INPUT-NEW"
	chainOutside      = "DOCKWALL-OUTSIDE"
	chainFromOutside  = "DOCKWALL-INPUT-OUTSIDE"
	chainPublished    = "DOCKWALL-PUBLISHED"
	chainInside       = "DOCKWALL-INSIDE"
	chainBetween      = "DOCKWALL-BETWEEN"
	chainIsolated     = "DOCKWALL-ISOLATED"
	chainEgress       = "DOCKWALL-EGRESS"
	chainEgressFew    = "DOCKWALL-EGRESS-LISTED"
	chainHost         = "DOCKWALL-HOST"
	chainServices     = "DOCKWALL-SERVICES"
	chainAcross       = "DOCKWALL-ACROSS"
	chainHostFew      = "DOCKWALL-HOST-LISTED"
	chainHairpin      = "DOCKWALL-HAIRPIN"
	chainIsoProxy     = "DOCKWALL-ISOLATED-PROXY"
	chainAPI          = "DOCKWALL-API"
	chainProxy        = "DOCKWALL-PROXY"
	chainHostNet      = "DOCKWALL-HOSTNET"
	chainBlockTo      = "DOCKWALL-BLOCK-TO"
	chainOutput       = "DOCKWALL-OUTPUT"
	chainOutputNew    = "DOCKWALL-OUTPUT-NEW"
	chainOutputHold   = "DOCKWALL-OUTPUT-HOLD"
)

// LogGroup is the NFLOG group that denials are reported to. HoldGroup is the
// one for packets whose source nobody knows yet: the agent learns from those,
// whether denials are to be reported or not.
const (
	LogGroup  = 4777
	HoldGroup = LogGroup + 1
)

// Denials are reported at most this often a second for each rule that denies,
// after a burst; the rest are dropped unreported. Of what is held all sources
// share one rule, and one that is not told of stays held.
const (
	logRate   = 10
	logBurst  = 20
	holdRate  = 100
	holdBurst = 200
)

// HeldPolicy is the policy that held packets are reported under.
const HeldPolicy = "hold"

// LogPrefix is what denials under this policy are reported with. It is cut to
// what NFLOG takes; a network's name may be longer.
func LogPrefix(policy string) string {
	s := "dockwall:" + policy
	if len(s) <= rules.MaxLogPrefix {
		return s
	}
	end := rules.MaxLogPrefix
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// Origins of the framing rules, which no block of the file asks for.
var (
	byEstablished = rules.Origin{Policy: "established"}
	byLoopback    = rules.Origin{Policy: "loopback"}
	byDispatch    = rules.Origin{Policy: "dispatch"}
	byForwarded   = rules.Origin{Policy: "not.docker"}
	byNeighbours  = rules.Origin{Policy: "neighbours"}
	byHold        = rules.Origin{Policy: HeldPolicy}
	byJudge       = rules.Origin{Policy: "judged"}
	byDirect      = rules.Origin{Policy: "direct"}
	byRouteLocal  = rules.Origin{Policy: "loopback.martian"}
)

// Compile returns the ruleset that holds the host to the policy, and what the
// operator should know about how the two fit (selectors that match nothing,
// NICs that are not there, containers that no rule can cover).
func Compile(p policy.Policy, s netinfo.Snapshot) (rules.Ruleset, []Problem) {
	return newBuilder(p, s).compile()
}

func (b *builder) compile() (rules.Ruleset, []Problem) {
	b.forward()
	b.input()
	b.output()
	b.guard(chainForwardGuard, chainForward)
	b.guard(chainInputGuard, chainInput)
	return b.ruleset(), sortProblems(slices.Concat(b.problems, findProblems(b.p, b.s, b.top)))
}

// forward builds what DOCKER-USER calls.
func (b *builder) forward() {
	c := b.chain(chainForward)
	b.blocks(c)
	c = b.begun(c, chainForwardNew)
	b.bySource(c, chainOutside, chainInside)
	b.outside()
	b.published()
	b.inside()
}

// bySource ends a chain: what came from a Docker bridge goes to inside, all else
// to outside.
func (b *builder) bySource(c *chain, outside, inside string) {
	for _, l := range b.top.notDocker {
		c.add(b.goTo(outside, byDispatch, in(l)))
	}
	for _, l := range b.top.docker {
		c.add(b.goTo(inside, byDispatch, in(l)))
	}
	c.add(b.goTo(outside, byDispatch))
}

// guard builds what the guard enters by: it keeps new connections out, for the
// moments in which filter does not; all others have been through filter before.
// So it need not look the rest of each connection up in the block lists again.
func (b *builder) guard(enter, judges string) {
	b.chain(enter).add(b.ret(byEstablished, rules.Proto{Proto: netinfo.TCP}, rules.Syn{Not: true}, isEstablished()),
		b.goTo(judges, byDispatch))
}

func isEstablished() rules.Conn { return rules.Conn{States: []rules.ConnState{rules.StateEstablished}} }

// begun lets pass what belongs to a connection that was allowed when it began,
// and returns the chain that judges the rest. A SYN begins a connection whatever
// connection tracking says: an entry that outlives its connection, as one that
// was cut does for days, would let in who dials again from the same port.
func (b *builder) begun(c *chain, judges string) *chain {
	tcp, established := rules.Proto{Proto: netinfo.TCP}, isEstablished()
	c.add(
		b.ret(byEstablished, tcp, rules.Syn{Not: true}, established),
		// ICMP errors, and connections that another one announced.
		b.ret(byEstablished, rules.Conn{States: []rules.ConnState{rules.StateRelated}}),
		b.goTo(judges, byDispatch, tcp, rules.Syn{}),
		b.ret(byEstablished, established),
		b.goTo(judges, byDispatch))
	return b.chain(judges)
}

// outside sorts what did not come from a Docker bridge by where it goes.
// An interface that nobody knows gets the same treatment as a Docker bridge:
// it may be one that was made while the agent was away.
func (b *builder) outside() {
	b.toDocker(b.chain(chainOutside), chainPublished)
}

// toDocker ends a chain: what leaves by a Docker bridge, or by nobody knows what,
// goes to inside; the rest is none of dockwall's business.
func (b *builder) toDocker(c *chain, inside string) {
	for _, l := range b.top.notDocker {
		c.add(b.ret(byForwarded, out(l)))
	}
	for _, l := range b.top.docker {
		c.add(b.goTo(inside, byDispatch, out(l)))
	}
	for _, l := range b.top.elsewhere {
		c.add(b.ret(byForwarded, out(l)))
	}
	c.add(b.goTo(inside, byDispatch))
}

// inside sorts what came from a Docker bridge by where it goes.
func (b *builder) inside() {
	c := b.chain(chainInside)
	c.add(b.stamp())
	for _, l := range b.top.notDocker {
		c.add(b.goTo(chainEgress, byDispatch, out(l)))
	}
	for _, l := range b.top.docker {
		c.add(b.goTo(chainAcross, byDispatch, out(l)))
	}
	c.add(b.goTo(chainEgress, byDispatch))
	b.between()
	b.egress()
}

// input builds what INPUT calls.
func (b *builder) input() {
	c := b.chain(chainInput)
	c.add(b.ret(byLoopback, in(link{name: "lo"})))
	b.blocks(c)
	c = b.begun(c, chainInputNew)
	// With route_localnet, which Docker sets on its bridges, a packet from
	// elsewhere may carry a loopback address.
	for _, p := range loopbacks {
		c.deny(byRouteLocal, rules.Destination{Prefix: p})
	}
	b.bySource(c, chainFromOutside, chainHost)
	b.fromOutside()
	b.api()
	b.proxy()
	b.host()
}

// fromOutside is what others may reach of the host itself, as far as it is
// Docker's: its API, docker-proxy, and containers on the host's network.
func (b *builder) fromOutside() {
	c := b.chain(chainFromOutside)
	b.apiPorts(c)
	if named := b.hostNetwork(); len(named) > 0 {
		// A port that a container has now is that container's.
		all := b.proxied(func(netinfo.Container, netinfo.PublishedPort) bool { return true })
		c.add(b.goTo(chainProxy, byDispatch, b.portSet("p", []string{"all"}, all, rules.Origin{Policy: "published"})))
		c.add(named...)
	}
	c.add(b.goTo(chainProxy, byDispatch, b.publishedPorts()))
}
