package picture

import (
	"fmt"
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/meaning"
	"dockwall/rules/policy"
	"dockwall/rules/published"
	"dockwall/rules/trace"
)

// catalog lists what there is to ask about: senders, targets, ports and interfaces, and
// which of them no rule tells apart.
type catalog struct {
	p policy.Policy
	s netinfo.Snapshot
	// every tells packets apart by all that any rule asks of them.
	every    *trace.Outline
	networks map[string]netinfo.Network // by ID
	// order are the containers' places as people order their names.
	order []int
	// host are addresses to dial the host by, one of each family.
	host []netip.Addr
	// cuts are the ports that stand for all, of TCP and UDP.
	cuts map[rules.Protocol][]uint16
	// taken are the host's ports that are containers' or the engine's.
	taken map[hostPort]bool
	// claims are the addresses on which containers have a port, if not on all.
	claims map[hostPort][]netip.Addr

	gates   []gate
	outs    []gate
	sources []source
	atoms   []atom
	dests   []atom

	places map[string]rules.Origin // of the subjects that decided something, by name
}

// prober asks the ruleset what becomes of packets.
type prober struct {
	catalog
	m         *trace.Machine
	judged    map[string]verdicts
	asked     map[string]answer
	undecided int
}

type hostPort struct {
	proto  rules.Protocol
	number uint16
}

func newProber(p policy.Policy, s netinfo.Snapshot, rs rules.Ruleset) *prober {
	x := &prober{m: trace.New(rs), judged: map[string]verdicts{}, asked: map[string]answer{}, catalog: catalog{p: p, s: s, networks: map[string]netinfo.Network{},
		places: map[string]rules.Origin{}, cuts: map[rules.Protocol][]uint16{}, taken: map[hostPort]bool{}, claims: map[hostPort][]netip.Addr{}}}
	x.every = trace.NewOutline(func(rules.Match) bool { return true }, x.m)
	for _, n := range s.Networks {
		x.networks[n.ID] = n
	}
	for _, proto := range []rules.Protocol{netinfo.TCP, netinfo.UDP} {
		x.cuts[proto] = meaning.Cuts(proto, rs)
	}
	for i := range s.Containers {
		x.order = append(x.order, i)
	}
	slices.SortStableFunc(x.order, func(a, b int) int { return meaning.Natural(s.Containers[a].Name, s.Containers[b].Name) })
	x.take()
	x.host = x.hostAddrs(hostPort{})
	x.gates = x.newGates(func(p *trace.Packet, nic string) { p.In = nic })
	x.outs = x.newGates(func(p *trace.Packet, nic string) { p.Out = nic })
	x.newSources()
	x.atoms = x.newAtoms(rs, rules.Src)
	x.dests = x.newAtoms(rs, rules.Dst)
	return x
}

// take notes which of the host's ports are no service's of its own.
func (x *catalog) take() {
	for i := range x.s.Containers {
		c := &x.s.Containers[i]
		for _, p := range c.Ports {
			at := published.Bind(&x.s, c, p)
			for n := int(p.HostPort); n <= int(max(p.HostPort, p.HostPortEnd)) && n > 0; n++ {
				port := hostPort{p.Proto, uint16(n)}
				x.taken[port] = true
				if at.IsValid() && !at.IsUnspecified() {
					x.claims[port] = append(x.claims[port], at)
				}
			}
		}
	}
	for _, n := range x.apiPorts() {
		x.taken[hostPort{netinfo.TCP, n}] = true
	}
}

// answer is what becomes of an attempt.
type answer struct {
	// pass: on every way.
	pass bool
	// by decides: the block, the default or the framing rule.
	by rules.Subject
	// seen: the rules meet it at all.
	seen bool
}

// ask evaluates the rules for the attempt, for every path that it may take. One
// way that is closed closes it.
func (x *prober) ask(q policy.Question) answer {
	out := answer{pass: true}
	for _, way := range trace.Packets(x.s, q) {
		r := x.m.Verdict(way.Packet, way.Base)
		if r.Verdict == trace.Undecided {
			x.undecided++
			return answer{seen: true, by: rules.Subject{Kind: "unknown"}}
		}
		pass := r.Verdict == trace.Pass
		if out.seen && (!out.pass || pass) {
			continue
		}
		out = answer{pass: pass, by: x.decider(r, way.Question), seen: true}
	}
	return out
}

// decider names what decided. Where the rules got by with a default for what a
// block allows, the block is named, as explain does.
func (x *catalog) decider(r trace.Result, q policy.Question) rules.Subject {
	o := rules.Kind("none").Origin()
	if r.Decided != nil {
		o = r.Decided.Origin
	}
	if r.Verdict == trace.Pass && !isBlock(o.Subject) {
		if means := policy.Eval(x.p, x.s, q); means.Allow {
			o = means.Origin
		}
	}
	x.places[o.Subject.String()] = o
	return o.Subject
}

// isBlock reports whether the subject is a block: neither a default nor a framing
// rule.
func isBlock(s rules.Subject) bool { return !s.Framing() && !s.Default() }

// position is where the policy stands; empty for defaults that no file gives.
func (x *catalog) position(policy string) string { return position(x.places[policy]) }

func position(o rules.Origin) string {
	if o.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// key is what the rules can tell of a packet: two of one key fare alike.
func (x *catalog) key(p trace.Packet) string {
	p.Syn = p.Proto == netinfo.TCP
	p.Conn.State, p.Conn.Original = rules.StateNew, true
	return x.every.Of(p)
}

// somewhere is an address of the family that stands in for one that does not
// matter: packets are compared by their other end.
func somewhere(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6LinkLocalAllNodes()
	}
	return netip.AddrFrom4([4]byte{255, 255, 255, 254})
}
