package cutter

import (
	"net/netip"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// seeded reports whether a packet with a false source may have made the flow while
// no rule refused such packets: one from a container, or from a port that the host
// publishes, to an address outside. By such an entry the rules take everything that
// the address sends to the container for an answer, and let it pass. A genuine one
// looks the same: if it is deleted, the container's next packet makes another, and
// an answer that arrives before it is lost.
//
// An address behind a container (netinfo.Snapshot.Routes) counts like a container's.
//
// TCP counts if no packet came back yet. A replied connection does no harm: the
// rules judge each SYN, and without a SYN no container answers.
func (p *places) seeded(f hostnet.Flow) bool {
	o := f.Original
	if !p.concerns(f) || p.inside(f) || f.Proto == netinfo.TCP && f.SeenReply() {
		return false
	}
	if p.isHost(o.Src) {
		return !o.Src.IsLoopback() && p.serves(f.Proto, addrPort(o.Src, o.SrcPort))
	}
	_, contained := p.bridge(o.Src)
	_, routed := p.routed.Lookup(o.Src)
	return contained || routed
}

// claimed are the prefixes whose seeds an ask ends. all: every source's.
type claimed struct {
	all      bool
	prefixes []netip.Prefix
}

// with returns the prefixes of both.
func (c claimed) with(o claimed) claimed {
	all := claimed{all: c.all || o.all}
	if !all.all {
		all.prefixes = append(append(all.prefixes, c.prefixes...), o.prefixes...)
	}
	return all
}

// holds reports whether the address is in one of the prefixes.
func (c claimed) holds(a netip.Addr) bool {
	if c.all {
		return true
	}
	for _, p := range c.prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (c claimed) any() bool { return c.all || len(c.prefixes) > 0 }

// inside reports whether the flow leads to the host, or to a Docker bridge.
func (p *places) inside(f hostnet.Flow) bool {
	_, bridged := p.bridge(f.Original.Dst)
	return bridged || p.isHost(f.Original.Dst) || p.isHost(f.Reply.Src)
}
