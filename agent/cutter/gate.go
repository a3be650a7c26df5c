package cutter

import (
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
)

// Barrier keeps connections that were cut from coming back: a packet of a closed
// direction makes no conntrack entry. kernel.Barrier is one.
type Barrier interface {
	// Close drops packets of these directions that belong to no established
	// connection, TCP SYNs excepted. With a NIC it drops every packet but a SYN
	// that comes in by it. It outlives the agent.
	Close([]hostnet.Direction) error
	// Open undoes it.
	Open([]hostnet.Direction) error
	// Stands reports whether the barrier exists: another program may have flushed
	// it. If nothing is closed, it removes the barrier.
	Stands() (bool, error)
}

const (
	// maxRemembered is how many closed directions the cutter remembers, to close them
	// again after a flush, and to open them when they are allowed.
	maxRemembered = 1 << 16
	// rememberedFor is how long the barrier keeps a direction closed without packets.
	rememberedFor = 5 * 24 * time.Hour
)

// gate is the barrier, with what this cutter has closed.
type gate struct {
	barrier Barrier
	closed  map[hostnet.Direction]closing
	// some: a later ruleset may open one of closed.
	some atomic.Bool
	// failed: the last Close did not work, and that was logged.
	failed bool
}

// closing is why a direction is closed: the connection's first packet was denied.
type closing struct {
	attempt attempt
	at      time.Time
}

// opens reports whether the direction opens when the ruleset allows the connection.
// A TCP connection that was cut stays dead: its client dials again, and the rules
// judge that SYN.
func (c closing) opens() bool { return c.attempt.proto != netinfo.TCP || c.attempt.rejudge }

// remember notes the directions as closed.
func (g *gate) remember(ds []hostnet.Direction, a attempt) {
	if g.closed == nil {
		g.closed = map[hostnet.Direction]closing{}
	}
	for _, d := range ds {
		if !d.Brief && len(g.closed) < maxRemembered {
			c := closing{a, time.Now()}
			g.closed[d] = c
			if c.opens() {
				g.some.Store(true)
			}
		}
	}
}

// tend puts a barrier that was flushed back, and opens the directions of
// connections that the ruleset allows now.
func (k *knife) tend() error {
	g := k.c.gate
	if g.barrier == nil || len(g.closed) == 0 {
		return nil
	}
	allowed, some := map[hostnet.Direction]bool{}, false
	for d, c := range g.closed {
		switch a := c.attempt; {
		case time.Since(c.at) > rememberedFor:
			delete(g.closed, d)
		case c.opens() && k.attempted(&a) == allow:
			allowed[d] = true
		default:
			some = some || c.opens()
		}
	}
	stands, err := g.barrier.Stands()
	if err == nil && stands && len(allowed) > 0 {
		err = g.barrier.Open(slices.Collect(maps.Keys(allowed)))
	}
	if err != nil {
		return err
	}
	maps.DeleteFunc(g.closed, func(d hostnet.Direction, _ closing) bool { return allowed[d] })
	g.some.Store(some)
	if !stands && len(g.closed) > 0 {
		return g.barrier.Close(slices.Collect(maps.Keys(g.closed)))
	}
	return nil
}

// pruneAfter is how long what is to be judged again stays closed at least, though its
// connection has ended.
const pruneAfter = 10 * time.Minute

// ended returns a function that is to see all flows, and one that then opens what was
// closed for connections that have ended. A host may have thousands of short ones
// that were only to be judged again. What was cut stays closed: its server may go on.
func (k *knife) ended() (see func(hostnet.Flow), open func()) {
	g := k.c.gate
	stale := map[direction][]hostnet.Direction{}
	for d, c := range g.closed {
		if c.attempt.rejudge && time.Since(c.at) > pruneAfter {
			of := direction{d.Proto, d.Tuple}
			stale[of] = append(stale[of], d)
		}
	}
	see = func(f hostnet.Flow) {
		delete(stale, direction{f.Proto, f.Original})
		delete(stale, direction{f.Proto, f.Reply})
	}
	open = func() {
		ds := slices.Concat(slices.Collect(maps.Values(stale))...)
		if g.barrier == nil || len(ds) == 0 {
			return
		}
		if err := g.barrier.Open(ds); err != nil {
			k.c.log.Debug("what was closed for connections that have ended stays closed for some days", "error", err)
			return
		}
		for _, d := range ds {
			delete(g.closed, d)
		}
	}
	return see, open
}

// close closes what the victims may come back by, and reports whether it did.
func (k *knife) close(victims []victim, sockets []hostnet.Connection) bool {
	if k.c.gate.barrier == nil || len(victims)+len(sockets) == 0 {
		return false
	}
	var all []hostnet.Direction
	for _, v := range victims {
		all = append(all, k.directions(v)...)
	}
	for _, c := range sockets {
		all = append(all, hostnet.Direction{Proto: netinfo.TCP,
			Tuple: hostnet.Tuple{Src: c.Local.Addr(), SrcPort: c.Local.Port(), Dst: c.Remote.Addr(), DstPort: c.Remote.Port()}})
	}
	if len(all) == 0 {
		return true
	}
	err := k.c.gate.barrier.Close(all)
	if err != nil && !k.c.gate.failed {
		k.c.log.Warn("cut connections may come back when a server sends unasked or a client forges packets; closing them for good takes nf_tables in the kernel", "error", err)
	}
	k.c.gate.failed = err != nil
	if err == nil {
		for _, v := range victims {
			k.c.gate.remember(k.directions(v), v.attempt)
		}
	}
	return err == nil
}

// gated reports whether cut connections can be closed for good.
func (k *knife) gated() bool { return k.c != nil && k.c.gate.barrier != nil && !k.c.gate.failed }

// answers is the direction of the packets that the opener's server sends.
func answers(v victim) hostnet.Direction {
	if v.attempt.reversed {
		return v.flow.Forth()
	}
	return v.flow.Back()
}

// requests is the other direction.
func requests(v victim) hostnet.Direction {
	if v.attempt.reversed {
		return v.flow.Back()
	}
	return v.flow.Forth()
}

// directions are those to close for the victim. With the entry deleted, the
// rules judge the opener's packets. Answers are what must not pass.
//
//   - Cut TCP: both, so that the connection does not go on under a later policy.
//   - Cut UDP and others: the answers.
//   - To be judged again: the answers, until the opener's next packet was allowed.
//     A TCP connection that most likely comes by an allowed interface keeps its entry,
//     and is not interrupted: it is closed to the interfaces that are not.
func (k *knife) directions(v victim) []hostnet.Direction {
	a := v.attempt
	switch {
	case keeps(a):
		ds := []hostnet.Direction{answers(v)}
		for _, nic := range a.refused {
			d := requests(v)
			d.NIC = nic
			ds = append(ds, d)
		}
		return ds
	case a.proto == netinfo.TCP && !a.rejudge:
		return []hostnet.Direction{answers(v), requests(v)}
	}
	ds := append(k.otherAnswers(a), answers(v))
	for i := range ds {
		ds[i].Brief = a.rejudge && a.proto != netinfo.TCP && !v.flow.Assured()
	}
	return ds
}

// keeps reports whether the connection's entry stays.
func keeps(a attempt) bool { return a.rejudge && a.proto == netinfo.TCP && a.likely == allow }

// otherAnswers are answers of docker-proxy that leave with the source address of
// the interface towards the client, as version 20.10 sends datagrams.
func (k *knife) otherAnswers(a attempt) []hostnet.Direction {
	if a.base != rules.BaseInput || a.proto == netinfo.TCP {
		return nil
	}
	nic, ok := k.routes(a.src.Addr())
	var ds []hostnet.Direction
	for _, addr := range k.addrs[nic] {
		if ok && addr != a.local.Addr() && addr.Is4() == a.src.Addr().Is4() && addr.IsLinkLocalUnicast() == a.src.Addr().IsLinkLocalUnicast() {
			ds = append(ds, directionOf(a.proto, addrPort(addr, a.local.Port()), a.src))
		}
	}
	return ds
}

func directionOf(proto netinfo.Protocol, from, to netip.AddrPort) hostnet.Direction {
	return hostnet.Direction{Proto: proto, Tuple: hostnet.Tuple{Src: from.Addr(), SrcPort: from.Port(), Dst: to.Addr(), DstPort: to.Port()}}
}
