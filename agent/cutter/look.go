package cutter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"dockwall/agent/conntrack"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/trace"
)

// looks are when the table is looked at, after the beginning. The first two
// look at everything, since a listing may miss an entry that moves; the others
// only for what came back.
func looks() []time.Duration {
	const ms = time.Millisecond
	return []time.Duration{0, 60 * ms, 200 * ms, 500 * ms, 1000 * ms, 2000 * ms}
}

const fullLooks = 2

// direction is one direction of a connection.
type direction struct {
	proto netinfo.Protocol
	hostnet.Tuple
}

// trail is what was cut and might come back, by the direction in which it
// would: its own or that of its answers.
type trail map[direction]hostnet.Flow

func (t trail) add(f hostnet.Flow) {
	t[direction{f.Proto, f.Original}] = f
	t[direction{f.Proto, f.Reply}] = f
}

// before is the cut flow that this one looks like.
func (t trail) before(f hostnet.Flow) (hostnet.Flow, bool) {
	was, ok := t[direction{f.Proto, f.Original}]
	return was, ok
}

// knife is one cut under way.
type knife struct {
	c *Cutter
	*judge
	table  *conntrack.Table
	trail  trail
	result Result
	// flows is how many connections were looked at. If there was none at first, none
	// can have moved during the listing.
	flows int
	// noDestroy: the kernel cannot destroy sockets, as was said once.
	noDestroy bool
	// seeds are the sources of packets that may have made entries with a false source.
	seeds claimed
	// loose: the kernel picks up TCP connections midstream.
	loose bool
	// rejudged are the directions whose next packet the kernel was made to judge:
	// what is there now, it has judged.
	rejudged map[direction]bool
}

// victim is a flow to end.
type victim struct {
	flow    hostnet.Flow
	attempt attempt
}

// socketKey is a TCP connection as its socket on the host has it.
type socketKey struct{ local, remote netip.AddrPort }

// cut looks until nothing can come back, ctx ends or something else is asked
// for. What is left to look for then is returned; it is not put back.
func (c *Cutter) cut(ctx context.Context, a ask, left trail, asks chan ask) (Result, trail, error) {
	if !a.s.Engine.Known {
		return Result{}, nil, nil
	}
	router, err := newRouter(a.s)
	if err != nil {
		return Result{}, left, err
	}
	defer router.close()
	table, err := conntrack.Open()
	if err != nil {
		return Result{}, left, err
	}
	defer table.Close()
	k := &knife{c: c, judge: newJudge(trace.New(a.rs), a.s, router.nic), table: table, trail: trail{},
		seeds: a.seeds, loose: hostnet.TCPLoose(), rejudged: map[direction]bool{}}
	maps.Copy(k.trail, left)
	begun := time.Now()
	if err := k.tend(); err != nil {
		c.log.Warn("connections that are allowed again may stay cut for some days", "error", err)
	}
	if a.reopen {
		return k.result, left, nil
	}
	again, err := k.looks(ctx, begun, asks)
	k.result.Took = time.Since(begun)
	if !again && err == nil {
		k.trail = nil
	}
	return k.result, k.trail, err
}

func (k *knife) looks(ctx context.Context, begun time.Time, asks chan ask) (again bool, err error) {
	for i, at := range looks() {
		if again, err := wait(ctx, time.Until(begun.Add(at)), asks); again || err != nil {
			return again, err
		}
		if err := k.look(i); err != nil {
			return false, err
		}
		if i == 0 {
			k.result.Looked = time.Since(begun)
		}
		if (i+1 >= fullLooks || k.flows == 0) && len(k.trail) == 0 {
			return false, nil
		}
	}
	return false, nil
}

// wait waits, and reports whether something else was requested in the meantime: the
// ruleset in hand is then no longer the kernel's.
func wait(ctx context.Context, d time.Duration, asks chan ask) (again bool, err error) {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-t.C:
	}
	return len(asks) > 0, nil
}

// look ends what it finds. Sockets go before the entries of their connections,
// by which their reset is let through. The barrier closes before an entry goes.
func (k *knife) look(i int) error {
	full := i < fullLooks
	var victims []victim
	if full {
		k.result.Undecided = 0
	}
	var seeds []hostnet.Flow
	see, open := k.ended()
	for _, family := range []int{4, 6} {
		err := hostnet.EachFlow(family, func(f hostnet.Flow) {
			see(f)
			k.flows++
			if a, yes := k.condemned(f, full); yes {
				victims = append(victims, victim{f, a})
			} else if i == 0 && k.seeds.any() && k.seeds.holds(f.Original.Src) && k.seeded(f) {
				seeds = append(seeds, f)
			}
		})
		if err != nil {
			return err
		}
	}
	open()
	untracked, err := k.sockets(victims, i == 0)
	if err != nil {
		return err
	}
	closed := k.close(victims, untracked)
	var first error
	for _, v := range victims {
		// One that resists does not save the others.
		if err := k.end(v, closed); err != nil && first == nil {
			first = err
		}
	}
	for _, f := range seeds {
		k.result.Seeded++
		if err := k.table.Delete(f); err != nil && first == nil {
			first = fmt.Errorf("ending %s: %w", text(f), err)
		}
	}
	return first
}

// condemned reports whether the flow is to end, or to be judged again.
func (k *knife) condemned(f hostnet.Flow, full bool) (attempt, bool) {
	was, back := k.trail.before(f)
	if !full && !back || f.TCP.State == hostnet.TCPClose && !k.gated() {
		return attempt{}, false // freezing a closed entry would keep it for days
	}
	a, v := k.flow(f)
	if v == again {
		a.rejudge = k.rejudges(a)
		if a.rejudge {
			d := direction{f.Proto, f.Original}
			return a, full && !k.rejudged[d]
		}
		v = a.likely
	}
	if v == deny {
		return a, true
	}
	if v == undecided && full {
		k.result.Undecided++
	}
	// What was cut a moment ago may come back as its answers. Only where they
	// leave from where the client looks for them can it answer in turn.
	if !back || f.Original != was.Reply || f.Reply != was.Original || f.Proto == netinfo.TCP && !f.TCP.Midstream {
		return attempt{}, false
	}
	a, v = k.flow(was)
	a.reversed = true
	return a, v == deny || v == again && a.likely == deny
}

// rejudges reports whether the kernel can judge the connection's next packet. The
// barrier has to keep answers out until then. A TCP connection whose entry is
// deleted lives on only if the kernel picks it up midstream.
func (k *knife) rejudges(a attempt) bool {
	return k.gated() && (a.proto != netinfo.TCP || k.loose || a.likely == allow)
}

// sockets destroys the host's ends of what is condemned, and at first also
// those that connection tracking does not tell of. It returns those of the latter
// whose next packet has to be judged.
func (k *knife) sockets(victims []victim, all bool) (open []hostnet.Connection, err error) {
	ends := map[socketKey]bool{}
	for _, v := range victims {
		if a := v.attempt; a.base == rules.BaseInput && a.proto == netinfo.TCP && !a.rejudge {
			ends[socketKey{a.local, a.src}] = true
		}
	}
	if len(ends) == 0 && !all || k.noDestroy {
		return nil, nil
	}
	n, err := conntrack.DestroyTCPSockets(func(c hostnet.Connection) bool {
		if ends[socketKey{c.Local, c.Remote}] {
			return true
		}
		if !all {
			return false
		}
		v := k.socket(c)
		if v == again && k.gated() && k.loose {
			open = append(open, c)
		}
		return v == deny
	})
	k.result.Sockets += n
	if errors.Is(err, conntrack.ErrNoDestroy) {
		k.noDestroy = true
		k.c.log.Warn("connections through docker-proxy may outlive the policy", "error", err)
		return open, nil
	}
	return open, err
}

// end ends one flow, which the barrier has closed or not.
func (k *knife) end(v victim, closed bool) error {
	if v.attempt.rejudge {
		return k.judgeAgain(v, closed)
	}
	if v.attempt.base == rules.BaseInput {
		k.result.Received++
	} else {
		k.result.Forwarded++
	}
	if closed {
		return k.delete(v.flow)
	}
	if freezable(v) {
		if err := k.table.Freeze(v.flow); err != nil {
			return fmt.Errorf("cutting %s: %w", text(v.flow), err)
		}
		return nil
	}
	k.trail.add(v.flow)
	if err := k.delete(v.flow); err != nil {
		return err
	}
	if as, ok := elsewhere(v.attempt); ok {
		// Where it fails the later looks have to do. A server that was faster is
		// found by the next one.
		if err := k.table.Divert(v.attempt.proto, v.attempt.dst, v.attempt.src, as); err != nil {
			k.c.log.Trace("not diverted", "connection", text(v.flow), "error", err)
		}
	}
	return nil
}

// judgeAgain deletes the entry, so that the rules judge the next packet. If the
// barrier did not close, the next look goes by the likeliest interface.
func (k *knife) judgeAgain(v victim, closed bool) error {
	if !closed {
		return nil
	}
	k.result.Rejudged++
	k.rejudged[direction{v.flow.Proto, v.flow.Original}] = true
	k.rejudged[direction{v.flow.Proto, v.flow.Reply}] = true
	if keeps(v.attempt) {
		return nil
	}
	return k.delete(v.flow)
}

func (k *knife) delete(f hostnet.Flow) error {
	if err := k.table.Delete(f); err != nil {
		return fmt.Errorf("cutting %s: %w", text(f), err)
	}
	return nil
}

// elsewhere is another port of the address by which the client knows the
// server. False: the client knows the server by its own address, and its
// answers are sent as they are; or its end is a socket that was destroyed.
func elsewhere(a attempt) (netip.AddrPort, bool) {
	ports := a.proto == netinfo.UDP || a.proto == netinfo.SCTP || a.proto == netinfo.TCP && a.base != rules.BaseInput
	if !ports || a.base != rules.BaseInput && !a.dnat {
		return netip.AddrPort{}, false
	}
	const other = 1 << 15
	return netip.AddrPortFrom(a.orig.Addr(), max(a.orig.Port()^other, 1)), true
}

// freezable reports whether the connection was established and is tracked in its own
// direction. One that is still being opened would go on from SYN_SENT.
func freezable(v victim) bool {
	return v.attempt.base == rules.BaseDockerUser && v.flow.Proto == netinfo.TCP && !v.attempt.reversed &&
		v.flow.Assured() && v.flow.TCP.State > hostnet.TCPSynReceived
}

func text(f hostnet.Flow) string {
	return fmt.Sprintf("%v %s -> %s", f.Proto, addrPort(f.Original.Src, f.Original.SrcPort), addrPort(f.Original.Dst, f.Original.DstPort))
}
