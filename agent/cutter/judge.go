package cutter

import (
	"net/netip"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/trace"
)

// originHold is the framing rule that stops a source until it is known; it says
// nothing about what is allowed.
const originHold = rules.KindHold

// Judge returns those of the flows that the ruleset would not let begin now, in
// the order given. routes returns the interface that leads to an address, which
// is the one that its packets most likely come in by.
func Judge(m *trace.Machine, s netinfo.Snapshot, routes func(netip.Addr) (nic string, ok bool), flows []hostnet.Flow) []hostnet.Flow {
	j := newJudge(m, s, routes)
	var denied []hostnet.Flow
	for _, f := range flows {
		if a, v := j.flow(f); v == deny || v == again && a.likely == deny {
			denied = append(denied, f)
		}
	}
	return denied
}

// verdict is the result of judging a flow.
type verdict int

const (
	allow verdict = iota
	deny
	undecided
	// again: the verdict depends on the interface that the opener's packets come in
	// by, which conntrack does not know. See attempt.likely and attempt.refused.
	again
)

// judge evaluates flows with a ruleset.
type judge struct {
	*places
	m      *trace.Machine
	routes func(netip.Addr) (string, bool)
}

func newJudge(m *trace.Machine, s netinfo.Snapshot, routes func(netip.Addr) (string, bool)) *judge {
	return &judge{newPlaces(s), m, routes}
}

// flow judges one flow. One that the ruleset does not concern is allowed.
func (j *judge) flow(f hostnet.Flow) (attempt, verdict) {
	a, ok := j.attempt(f)
	if !ok {
		return a, allow
	}
	return a, j.attempted(&a)
}

// socket judges a connection of the host's own sockets that leads to a
// published port; others are allowed. Connection tracking may not know of it.
func (j *judge) socket(c hostnet.Connection) verdict {
	if !j.serves(netinfo.TCP, c.Local) || j.isHost(c.Remote.Addr()) {
		return allow
	}
	return j.attempted(&attempt{base: rules.BaseInput, proto: netinfo.TCP, src: c.Remote, dst: c.Local, orig: c.Local, local: c.Local})
}

// attempted asks the ruleset, for each interface that the packet may come in by,
// and notes in the attempt which of them it refuses.
func (j *judge) attempted(a *attempt) verdict {
	ins, known := j.entrances(a.src.Addr(), a.local.Addr())
	first, differ := undecided, false
	a.refused = nil
	for i, in := range ins {
		v := j.enters(*a, in)
		if i == 0 {
			first = v
		}
		differ = differ || v != first
		if v == deny {
			a.refused = append(a.refused, in)
		}
	}
	a.likely = undecided
	if known {
		a.likely = first
	}
	switch {
	case !differ, known && (len(a.refused) == 0 || first == undecided):
		return first
	case len(a.refused) == 0:
		return undecided
	}
	return again
}

// enters is the verdict for a packet that comes in by the interface. One that is
// forwarded leaves by the interface that leads to its destination.
func (j *judge) enters(a attempt, in string) verdict {
	p, outs := a.packet(), []string{""}
	p.In = in
	if a.base == rules.BaseDockerUser {
		outs = j.exits(a.dst.Addr())
	}
	all := undecided
	for i, out := range outs {
		p.Out = out
		v := j.walk(p, a.base)
		if i == 0 {
			all = v
		}
		if v != all {
			return undecided
		}
	}
	return all
}

// entrances are the interfaces that packets of the address may come in by. A
// network may send by another uplink than the one that leads to it, so every
// interface towards outside is one. The first is the likeliest if known is true.
// local is the address they are sent to: a link-local one is on the same link.
func (j *judge) entrances(a, local netip.Addr) (ins []string, known bool) {
	if b, ok := j.bridge(a); ok {
		return []string{b}, true
	}
	switch {
	case a.IsLinkLocalUnicast() && local.IsLinkLocalUnicast():
		return j.host[local], len(j.host[local]) == 1
	case a.IsLinkLocalUnicast():
		return j.links, false
	}
	nic, ok := j.routes(a)
	if !ok {
		return j.nics, false
	}
	ins = append(ins, nic)
	for _, other := range j.nics {
		if other != nic {
			ins = append(ins, other)
		}
	}
	return ins, true
}

// exits are the interfaces that packets to the address may leave by.
func (j *judge) exits(a netip.Addr) []string {
	if b, ok := j.bridge(a); ok {
		return []string{b}
	}
	if a.IsLinkLocalUnicast() {
		return j.links
	}
	if nic, ok := j.routes(a); ok {
		return []string{nic}
	}
	return j.nics
}

func (j *judge) walk(p trace.Packet, base rules.Base) verdict {
	r := j.m.Verdict(p, base)
	switch {
	case r.Verdict == trace.Pass:
		return allow
	case r.Verdict == trace.Undecided || r.Decided != nil && r.Decided.Origin.Subject.Kind == originHold:
		return undecided
	}
	return deny
}
