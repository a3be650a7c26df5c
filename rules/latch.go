package rules

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
)

// StampClass is what Stamp makes a packet's priority (skb->priority, as tc's
// CLASSIFY writes it): "dow" and a zero, which every qdisc takes for best effort.
// A priority is all that a rule of iptables can leave on a packet without
// anybody else's rule seeing it.
const StampClass = 0x646f7700

// Latch says which packets must bear a Stamp. If the first packet of a connection
// comes by without one, the rules are not there, and it is dropped: no flush of the
// rules opens what the latch closes. Ruleset is its meaning.
type Latch struct {
	// NotDocker, Docker and Elsewhere are the interfaces that the rules tell
	// apart, in the order in which they do.
	NotDocker, Docker, Elsewhere []Interface
	// Uplinks are those of Docker's interfaces by which strangers come in.
	Uplinks []Interface
	// Bridges are those that are bridges now and not Docker's. Rules know a new
	// interface by its name alone; the latch knows a bridge from a NIC or a tunnel, and
	// is closed to one that came since.
	Bridges []Interface
	// Ports are TCP ports of the host that are closed to all sources except loopback and
	// From. Nothing that comes to the host can be stamped, so these need no rule.
	Ports []PortRange
	From  []netip.Prefix
	// Tight: what the host itself sends is dropped with a stamp too. docker-proxy may
	// have accepted a connection while the rules were missing; until it has given up,
	// its dial to the container is dropped.
	Tight bool
	// LeftOut is the family whose rules are not written, 4 or 6: nothing stamps its packets.
	// It is 0 if both are.
	LeftOut int
}

// Interface is an interface's name, or with Prefix what all of them begin with.
type Interface struct {
	Name   string
	Prefix bool
}

// PortRange is Lo to Hi, both included.
type PortRange struct{ Lo, Hi uint16 }

// The chains of the latch.
const (
	latchForward = "forward"
	latchOutput  = "output"
	latchInput   = "input"
	latchTo      = "to"
	latchPorts   = "ports"
)

// Ruleset returns the latch's rules. They follow the policy's own in FORWARD, OUTPUT
// and INPUT.
//
//	forward ─► in, stamped? ─► by NIC ─► to ─► a bridge, or unknown? drop
//	output  ─► stamped? ──────────────► to
//	input   ─► a closed port ─► ports ─► drop
func (l Latch) Ruleset() Ruleset {
	chains := []Chain{{Name: latchTo, Rules: l.to()}}
	if len(l.Ports) > 0 {
		chains = append(chains, Chain{Name: latchPorts, Rules: l.ports()})
	}
	return Ruleset{
		Chains: append(chains, Chain{Name: latchForward, Rules: l.forward()}, Chain{Name: latchOutput, Rules: l.output()},
			Chain{Name: latchInput, Rules: l.input()}),
		Hooks: []Hook{
			{Latch: true, Base: BaseForward, Chain: latchForward},
			{Latch: true, Base: BaseOutput, Chain: latchOutput},
			{Latch: true, Base: BaseInput, Chain: latchInput},
		},
	}
}

// begins lets packets pass that do not begin a connection: the rules decided when it
// began, or connection tracking knows nothing of it and the guard decides. The first
// packet of a connection that a conntrack helper expects is RELATED. So is an ICMP
// error, but its entry is that of the connection it is about, which is confirmed.
func begins() []Rule {
	return []Rule{
		latchRule(Return, Confirmed{}),
		latchRule(Return, Conn{States: []ConnState{StateRelated, StateNew}, NotStates: true}),
	}
}

// judged lets packets pass, besides those of begins, that no rule can have stamped.
func (l Latch) judged() []Rule {
	switch l.LeftOut {
	case 4:
		return append(begins(), latchRule(Return, Source{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}))
	case 6:
		return append(begins(), latchRule(Return, Source{Prefix: netip.PrefixFrom(netip.IPv6Unspecified(), 0)}))
	}
	return begins()
}

func (l Latch) forward() []Rule {
	rs := append(l.judged(), latchRule(Unstamp, Stamped{}))
	for _, i := range slices.Concat(l.NotDocker, l.Uplinks) {
		rs = append(rs, latchGoto(latchTo, i.in()))
	}
	for _, i := range l.Docker {
		rs = append(rs, latchRule(Drop, i.in()))
	}
	return append(rs, latchGoto(latchTo))
}

func (l Latch) output() []Rule {
	rs := append(l.judged(), latchRule(Return, OutInterface{Name: "lo"}))
	if !l.Tight {
		rs = append(rs, latchRule(Unstamp, Stamped{}))
	}
	return append(rs, latchGoto(latchTo))
}

func (l Latch) input() []Rule {
	rs := append(begins(), latchRule(Return, InInterface{Name: "lo"}))
	for _, p := range l.Ports {
		rs = append(rs, latchGoto(latchPorts, Proto{Proto: netinfo.TCP}, DestPort(p)))
	}
	return rs
}

// to decides by the interface that the packet leaves by.
func (l Latch) to() []Rule {
	var rs []Rule
	for _, i := range slices.Concat(l.NotDocker, l.Bridges) {
		rs = append(rs, latchRule(Return, i.out()))
	}
	for _, i := range l.Docker {
		rs = append(rs, latchRule(Drop, i.out()))
	}
	rs = append(rs, latchRule(Drop, OutBridge{}))
	for _, i := range l.Elsewhere {
		rs = append(rs, latchRule(Return, i.out()))
	}
	return append(rs, latchRule(Drop))
}

// ports are for the addresses in From alone.
func (l Latch) ports() []Rule {
	var rs []Rule
	for _, p := range l.From {
		rs = append(rs, latchRule(Return, Source{Prefix: p.Masked()}))
	}
	return append(rs, latchRule(Drop))
}

func (i Interface) in() Match  { return InInterface{Name: i.Name, Prefix: i.Prefix} }
func (i Interface) out() Match { return OutInterface{Name: i.Name, Prefix: i.Prefix} }

func latchRule(kind VerdictKind, ms ...Match) Rule {
	return Rule{Match: ms, Verdict: Verdict{Kind: kind}, Origin: KindLatch.Origin()}
}

func latchGoto(chain string, ms ...Match) Rule {
	return Rule{Match: ms, Verdict: Verdict{Kind: Goto, Chain: chain}, Origin: KindLatch.Origin()}
}
