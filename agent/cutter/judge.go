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
const originHold = "hold"

// Judge returns those of the flows that the ruleset would not let begin now, in
// the order given. routes tells the interface that leads to an address, which
// is taken for the one that its packets come in by; where it cannot tell, every
// interface must give the same verdict.
func Judge(m *trace.Machine, s netinfo.Snapshot, routes func(netip.Addr) (nic string, ok bool), flows []hostnet.Flow) []hostnet.Flow {
	j := newJudge(m, s, routes)
	var denied []hostnet.Flow
	for _, f := range flows {
		if _, v := j.flow(f); v == deny {
			denied = append(denied, f)
		}
	}
	return denied
}

// verdict is what comes of judging a flow.
type verdict int

const (
	allow verdict = iota
	deny
	undecided
)

// judge holds flows against a ruleset.
type judge struct {
	*places
	m      *trace.Machine
	routes func(netip.Addr) (string, bool)
}

func newJudge(m *trace.Machine, s netinfo.Snapshot, routes func(netip.Addr) (string, bool)) *judge {
	return &judge{newPlaces(s), m, routes}
}

// flow judges one flow. What is none of dockwall's business is allowed.
func (j *judge) flow(f hostnet.Flow) (attempt, verdict) {
	a, ok := j.attempt(f)
	if !ok {
		return a, allow
	}
	return a, j.attempted(a)
}

// socket judges a connection of the host's own sockets that leads to a
// published port; others are allowed. Connection tracking may not know of it.
func (j *judge) socket(c hostnet.Connection) verdict {
	if !j.serves(netinfo.TCP, c.Local) || j.isHost(c.Remote.Addr()) {
		return allow
	}
	return j.attempted(attempt{base: rules.BaseInput, proto: netinfo.TCP, src: c.Remote, dst: c.Local, orig: c.Local, local: c.Local})
}

// attempted asks the ruleset, for each interface that the packet may come in
// by and, where it is forwarded, go out by.
func (j *judge) attempted(a attempt) verdict {
	p := a.packet()
	outs := []string{""}
	if a.base == rules.BaseDockerUser {
		outs = j.interfaces(a.dst.Addr(), netip.Addr{})
	}
	ins := j.interfaces(a.src.Addr(), a.local.Addr())
	all := undecided
	for i, in := range ins {
		for k, out := range outs {
			p.In, p.Out = in, out
			v := j.walk(p, a.base)
			if i+k == 0 {
				all = v
			}
			if v == undecided || v != all {
				return undecided
			}
		}
	}
	return all
}

// interfaces are those that may lead to the address. local is where its packets
// go to: a link-local one is on the same link.
func (j *judge) interfaces(a, local netip.Addr) []string {
	if b, ok := j.bridge(a); ok {
		return []string{b}
	}
	switch {
	case a.IsLinkLocalUnicast() && local.IsLinkLocalUnicast():
		return j.host[local]
	case a.IsLinkLocalUnicast():
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
	case r.Verdict == trace.Undecided || r.Decided != nil && r.Decided.Origin.Policy == originHold:
		return undecided
	}
	return deny
}
