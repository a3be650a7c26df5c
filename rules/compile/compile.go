package compile

import (
	"slices"
	"unicode/utf8"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/finding"
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
	// What begins a connection.
	chainForwardNew = "DOCKWALL-FORWARD-NEW"
	chainInputNew   = "DOCKWALL-INPUT-NEW"
	// What did not come from a Docker bridge, where a rule has to send it there.
	chainForwardRest = "DOCKWALL-FORWARD-REST"
	chainInputRest   = "DOCKWALL-INPUT-REST"
	// What did.
	chainForwardSent = "DOCKWALL-FORWARD-SENT"
	chainInputSent   = "DOCKWALL-INPUT-SENT"
	// What came from a bridge that may be Docker's or may not.
	chainForwardMaybe = "DOCKWALL-FORWARD-MAYBE"
	chainInputMaybe   = "DOCKWALL-INPUT-MAYBE"
	// Of both, what begins one.
	chainOutside     = "DOCKWALL-OUTSIDE"
	chainFromOutside = "DOCKWALL-INPUT-OUTSIDE"
	chainUnplaced    = "DOCKWALL-UNPLACED"
	chainFromMaybe   = "DOCKWALL-INPUT-UNPLACED"
	chainPublished   = "DOCKWALL-PUBLISHED"
	chainInside      = "DOCKWALL-INSIDE"
	chainBetween     = "DOCKWALL-BETWEEN"
	chainIsolated    = "DOCKWALL-ISOLATED"
	chainEgress      = "DOCKWALL-EGRESS"
	chainEgressFew   = "DOCKWALL-EGRESS-LISTED"
	chainEgressMaybe = "DOCKWALL-EGRESS-UNPLACED"
	chainHost        = "DOCKWALL-HOST"
	chainServices    = "DOCKWALL-SERVICES"
	chainServeMaybe  = "DOCKWALL-SERVICES-UNPLACED"
	chainAcross      = "DOCKWALL-ACROSS"
	chainDirect      = "DOCKWALL-DIRECT"
	chainHostFew     = "DOCKWALL-HOST-LISTED"
	chainHairpin     = "DOCKWALL-HAIRPIN"
	chainIsoProxy    = "DOCKWALL-ISOLATED-PROXY"
	chainAPI         = "DOCKWALL-API"
	chainProxy       = "DOCKWALL-PROXY"
	chainHostPorts   = "DOCKWALL-HOSTNET-PORTS"
	chainHostNet     = "DOCKWALL-HOSTNET"
	chainHostNetNext = "DOCKWALL-HOSTNET-NEXT"
	chainMaybeNext   = "DOCKWALL-HOSTNET-MAYBE"
	chainBlockSent   = "DOCKWALL-BLOCK-SENT"
	chainBlocked     = "DOCKWALL-BLOCKED-" // and the block's number
	chainOutput      = "DOCKWALL-OUTPUT"
	chainOutputNew   = "DOCKWALL-OUTPUT-NEW"
	chainOutputHold  = "DOCKWALL-OUTPUT-HOLD"
	// What docker-proxy may be dialling for a container that is being started.
	chainOutputMaking = "DOCKWALL-OUTPUT-MAKING"
)

// LogGroup is the NFLOG group that denials are reported to. HoldGroup is the
// one for packets whose source is not known yet: the agent learns from those,
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

// LogPrefix is the NFLOG prefix of denials by this subject. It is cut to the
// length that NFLOG takes; a network's name may be longer.
func LogPrefix(s rules.Subject) string { return logPrefix(s.String()) }

func logPrefix(subject string) string {
	s := "dockwall:" + subject
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
	byEstablished = rules.KindEstablished.Origin()
	byLoopback    = rules.KindLoopback.Origin()
	byDispatch    = rules.KindDispatch.Origin()
	byForwarded   = rules.KindNotDocker.Origin()
	byNeighbours  = rules.KindNeighbours.Origin()
	byHold        = rules.KindHold.Origin()
	byJudge       = rules.KindJudged.Origin()
	byDirect      = rules.KindDirect.Origin()
	byRouteLocal  = rules.KindMartian.Origin()
)

// Compile returns the ruleset that holds the host to the policy, and what the
// operator should know about how the two fit (selectors that match nothing,
// NICs that are not there, containers that no rule can cover).
func Compile(p policy.Policy, s netinfo.Snapshot) (rules.Ruleset, []finding.Finding) {
	return newBuilder(p, s).compile()
}

func (b *builder) compile() (rules.Ruleset, []finding.Finding) {
	b.refusals = b.refuse()
	b.early()
	b.forward()
	b.input()
	b.output()
	b.guard(chainForwardGuard, chainForward)
	b.guard(chainInputGuard, chainInput)
	return b.ruleset(), finding.Sort(slices.Concat(b.problems, findProblems(b.p, b.s, b.top)))
}

// forward builds what DOCKER-USER calls.
func (b *builder) forward() {
	b.judge(b.chain(chainForward), chainForwardNew, ways{
		outside:  way{chainForwardRest, chainOutside},
		inside:   way{chainForwardSent, chainInside},
		unplaced: way{chainForwardMaybe, chainUnplaced},
	})
	b.outside()
	b.published()
	b.inside()
	b.unplaced()
}

// way is where a packet goes by what it came in by: through the one chain, which
// lets pass what has begun, and then to the one that judges what begins.
type way struct{ enter, judges string }

// ways are where packets go by the interface that they came in by.
type ways struct{ outside, inside, unplaced way }

// judge ends a chain: what has begun passes, what begins is judged by what it came
// in by. This is the way of nearly every packet: as few rules as can be.
//
//	no blocks: ─► begun? passes      ─► NEW ─► by a Docker bridge: inside.judges; else: outside.judges
//	blocks:    ─► by a Docker bridge ─► inside.enter: from a container, or an answer? begun? passes ─► inside.judges
//	           └► else: blocked? begun? passes ─► outside.judges
func (b *builder) judge(c *chain, begins string, w ways) {
	if len(b.p.Blocks)+len(b.p.Quarantines) == 0 {
		b.begun(c, begins, "")
		b.bySource(b.chain(begins), w.outside.judges, w.inside.judges, w.unplaced.judges)
		return
	}
	b.bySource(c, w.outside.enter, w.inside.enter, w.unplaced.enter)
	forward, again := w.inside.enter == chainForwardSent, ""
	if len(b.p.Blocks) > 0 {
		again = b.sent()
	}
	rest := b.chain(w.outside.enter)
	b.blocks(rest)
	b.quarantine(rest, forward, false)
	b.begun(rest, w.outside.judges, "")
	sent := b.chain(w.inside.enter)
	// A reply comes from a container: it is looked up in no list that cannot name it.
	b.blocksInside(sent)
	b.quarantine(sent, forward, true)
	b.begun(sent, w.inside.judges, again)
	maybe := b.chain(w.unplaced.enter)
	b.blocks(maybe)
	b.quarantine(maybe, forward, false)
	b.begun(maybe, w.unplaced.judges, again)
}

// bySource ends a chain: it sends each packet on by the interface that it came in
// by, exact names first.
//
// Docker names most bridges br-…: there may be hundreds, and packets by other
// interfaces meet no rule of theirs. PREROUTING has refused what has a container's
// source and did not come by its bridge, so a container's packet is known by its
// source, whichever of them it came by. Only bridges between other hosts (wires) may
// show frames with a container's source.
func (b *builder) bySource(c *chain, outside, inside, unplaced string) {
	b.fromLinks(c, outside, slices.Concat(b.top.notDocker, b.top.uplinks))
	var numbered []link
	for _, l := range b.top.docker() {
		if brNames.covers(l.name) && !slices.Contains(b.own.wires, l) {
			numbered = append(numbered, l)
			continue
		}
		b.fromDocker(c, l, inside, unplaced)
	}
	c.add(b.goTo(outside, byDispatch, rules.InInterface{Name: brNames.name, Prefix: true, Not: true}),
		b.goTo(inside, byDispatch, b.containersSet()))
	for _, l := range numbered {
		if l != brNames {
			b.fromDocker(c, l, inside, unplaced)
		}
	}
	c.add(b.goTo(unplaced, byDispatch))
}

// fromDocker sends on what came in by a bridge of Docker's, or by what may be one.
func (b *builder) fromDocker(c *chain, l link, inside, unplaced string) {
	switch {
	case slices.Contains(b.top.inside, l):
		c.add(b.goTo(inside, byDispatch, in(l)))
	case slices.Contains(b.top.unplaced, l):
		c.add(b.goTo(unplaced, byDispatch, in(l)))
	}
}

// fromLinks sends on what came in by one of the links.
func (b *builder) fromLinks(c *chain, to string, links []link) {
	for _, l := range links {
		c.add(b.goTo(to, byDispatch, in(l)))
	}
}

// guard builds what the guard enters by: it keeps new connections out, for the
// moments in which filter does not; all others have been through filter before.
// So it need not look the rest of each connection up in the block lists again.
func (b *builder) guard(enter, judges string) {
	b.chain(enter).add(b.ret(byEstablished, rules.Proto{Proto: netinfo.TCP}, rules.Syn{Not: true}, isEstablished()),
		b.goTo(judges, byDispatch))
}

func isEstablished() rules.Conn { return rules.Conn{States: []rules.ConnState{rules.StateEstablished}} }
func isRelated() rules.Conn     { return rules.Conn{States: []rules.ConnState{rules.StateRelated}} }

// begun ends a chain: packets of established connections pass, and so do ICMP
// errors about them; all other packets go to the chain judges. A SYN goes there
// whatever connection tracking says: an entry that outlives its connection, as one
// that was cut does for days, would let in a client that dials again from the same
// port.
//
// The connection that a conntrack helper expects, such as FTP's data, is RELATED
// until it is answered. It goes to judges too: the peers of the first connection
// chose its addresses and ports, and the policy has allowed only the first one.
//
// Where again is not empty, packets in the direction in which the connection was
// opened pass by that chain.
func (b *builder) begun(c *chain, judges, again string) {
	c.add(b.goTo(judges, byDispatch, rules.Proto{Proto: netinfo.TCP}, rules.Syn{}))
	b.pass(c, again, isEstablished())
	for _, redirect := range redirects {
		// Connection tracking takes a redirect for an error; it changes a route.
		b.pass(c, again, isRelated(), redirect.proto, rules.ICMPType{Type: redirect.kind, Not: true})
	}
	c.add(b.goTo(judges, byDispatch))
}

// pass lets packets of the state pass; those in the direction in which the
// connection was opened by the chain again, if it is not empty.
func (b *builder) pass(c *chain, again string, state rules.Conn, ms ...rules.Match) {
	if again != "" {
		opener := state
		opener.Original = true
		c.add(b.goTo(again, byDispatch, concat(ms, []rules.Match{opener})...))
	}
	c.add(b.ret(byEstablished, concat(ms, []rules.Match{state})...))
}

// outside sorts what did not come from a Docker bridge by where it goes.
// An unknown interface gets the same treatment as a Docker bridge:
// it may be one that was made while the agent was away.
func (b *builder) outside() {
	b.toDocker(b.chain(chainOutside), chainPublished)
}

// toDocker ends a chain: what leaves by a Docker bridge, or by an unknown interface,
// goes to inside; the rest is none of dockwall's business.
func (b *paths) toDocker(c *chain, inside string) {
	for _, l := range b.top.notDocker {
		c.add(b.ret(byForwarded, out(l)))
	}
	for _, l := range b.top.towards() {
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
	b.notBlocked(c)
	cutting{b.paths}.holdUnjudged(c)
	c.add(b.stamp())
	for _, l := range b.top.notDocker {
		c.add(b.goTo(chainEgress, byDispatch, out(l)))
	}
	for _, l := range b.top.towards() {
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
	b.judge(c, chainInputNew, ways{
		outside:  way{chainInputRest, chainFromOutside},
		inside:   way{chainInputSent, chainHost},
		unplaced: way{chainInputMaybe, chainFromMaybe},
	})
	b.fromOutside()
	b.api()
	b.swarm()
	b.proxy()
	b.host()
}

// martians refuses what carries a loopback address and came from elsewhere: with
// route_localnet, which Docker sets on its bridges, the kernel does not.
func (c *chain) martians() {
	for _, p := range loopbacks {
		c.deny(byRouteLocal, rules.Destination{Prefix: p})
	}
}

// fromOutside is what others may reach of the host itself, as far as it is
// Docker's: its API, docker-proxy, and containers on the host's network. Where the
// packet came from an interface that may be a Docker bridge, the host's own
// services are what a container may reach of them.
func (b *builder) fromOutside() {
	named := append(b.hostNetworkPorts(), b.hostNetwork()...)
	outside, maybe := b.chain(chainFromOutside), b.chain(chainFromMaybe)
	for _, c := range []*chain{outside, maybe} {
		if c == maybe {
			b.notBlocked(c)
		}
		c.martians()
		if c == maybe {
			cutting{b.paths}.holdUnjudgedToHost(c, b.notStrangers)
		}
		b.apiPorts(c)
		b.swarmPorts(c)
		if len(named) > 0 {
			// A port that a container has now is that container's.
			all := b.proxied(func(netinfo.Container, netinfo.PublishedPort) bool { return true })
			for _, words := range [][]string{{"all"}, {"all", "again"}} { // see toPublished
				c.add(b.goTo(chainProxy, byDispatch, b.portSet("p", words, all, rules.KindPublished.Origin())))
			}
			c.add(named...)
		}
		b.toPublished(c, chainProxy)
	}
	b.hostNetworkNext(outside, chainHostNetNext, rules.Verdict{Kind: rules.Return})
	services := b.unplacedTo(chainServeMaybe, chainServices, len(b.p.Host) > 0)
	b.hostNetworkNext(maybe, chainMaybeNext, rules.Verdict{Kind: rules.Goto, Chain: services})
	maybe.add(b.goTo(services, byDispatch))
}
