package picture

import (
	"fmt"
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// Exit is what a container may reach beyond its network.
type Exit struct {
	State State `json:"state,omitempty"`
	// By are the policies that allow, where not all is open, or that forbid,
	// where all is closed. A block that stops what all are stopped from is none
	// of them.
	By []string `json:"by"`
}

// exits asks what the member may reach outside and on the host.
func (x *prober) exits(s seat) (outside, host Exit) {
	var out, own tally
	for _, a := range s.endpoint.Addrs {
		x.askOutside(&out, &s, a)
		x.askHost(&own, &s, a)
	}
	outside, host = out.exit(), own.exit()
	if s.network.Internal {
		outside = Exit{State: Internal, By: []string{}}
	}
	return outside, host
}

// tally counts answers.
type tally struct {
	open, shut bool
	allowed    []string
	denied     []string
	blocked    []string
}

func (t *tally) add(a answer) {
	switch {
	case !a.seen:
	case !a.pass && (a.by.Kind == rules.KindBlock || a.by.Kind == rules.KindQuarantine):
		t.blocked = append(t.blocked, a.by.String())
	case a.pass:
		t.open = true
		t.allowed = append(t.allowed, a.by.String())
	default:
		t.shut = true
		t.denied = append(t.denied, a.by.String())
	}
}

func (t *tally) exit() Exit {
	e := Exit{State: stateOf(t.open, t.shut), By: []string{}}
	if !t.open && !t.shut {
		// Nothing was asked, or all of it is blocked.
		if len(t.blocked) == 0 {
			return Exit{By: []string{}}
		}
		t.denied = t.blocked
	}
	switch e.State {
	case Some:
		e.By = union(t.allowed, nil)
	case Closed:
		e.By = union(t.denied, nil)
	}
	return e
}

// once asks once for all senders that the rules treat alike.
func (x *prober) once(q policy.Question, sender string) answer {
	key := fmt.Sprint(sender, q.Dest, q.Port, q.Proto, q.Out)
	a, ok := x.asked[key]
	if !ok {
		a = x.ask(q)
		x.asked[key] = a
	}
	return a
}

// askOutside dials one address of each kind outside, by each NIC.
func (x *prober) askOutside(t *tally, s *seat, from netip.Addr) {
	for _, d := range x.dests {
		if d.v6() != from.Is6() {
			continue
		}
		for _, g := range x.outs {
			x.eachPort(func(n uint16, proto netinfo.Protocol) {
				q := s.question(from, d.addr, n, proto)
				q.Out = g.nic
				t.add(x.once(q, x.senderKey(s, from)))
			})
		}
	}
}

// askHost dials the host's own services.
func (x *prober) askHost(t *tally, s *seat, from netip.Addr) {
	for _, h := range x.host {
		if h.Is6() != from.Is6() {
			continue
		}
		x.eachPort(func(n uint16, proto netinfo.Protocol) {
			if n, ok := x.free(n, proto); ok {
				t.add(x.once(s.question(from, h, n, proto), x.senderKey(s, from)))
			}
		})
	}
}

func (x *catalog) eachPort(f func(n uint16, proto netinfo.Protocol)) {
	for _, proto := range []netinfo.Protocol{netinfo.TCP, netinfo.UDP} {
		for _, n := range x.cuts[proto] {
			f(n, proto)
		}
	}
}

// free is a port of the run that begins at n which is the host's own.
func (x *catalog) free(n uint16, proto netinfo.Protocol) (uint16, bool) {
	cuts := x.cuts[proto]
	i := slices.Index(cuts, n)
	last := uint16(65535)
	if i+1 < len(cuts) {
		last = cuts[i+1] - 1
	}
	for {
		if !x.taken[hostPort{proto, n}] {
			return n, true
		}
		if n == last {
			return 0, false
		}
		n++
	}
}
