package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// inquiry is what was asked, with names looked up. Where it leaves open how
// the packet comes or goes, it stands for several questions.
type inquiry struct {
	s     netinfo.Snapshot
	f     Query
	proto rules.Protocol
	to    target
	from  []sender
	// notes are what the answer has to say beside the verdict.
	notes []string
}

// sender is one place that the packet may come from.
type sender struct {
	nic  string
	addr netip.Addr
	// id is a container's that meets no bridge (macvlan).
	id string
	// network is the Docker network that it is on; empty for outside.
	network string
}

// inside reports whether a container sends, by a Docker network.
func (f sender) inside() bool { return f.network != "" }

// newInquiry reads the flags against the facts.
func newInquiry(f Query, s netinfo.Snapshot) (*inquiry, error) {
	q := &inquiry{s: s, f: f}
	q.throughMaster()
	var err error
	if q.proto, err = netinfo.ParseProtocol(strings.ToLower(f.Proto)); err != nil {
		return nil, fmt.Errorf("--proto is tcp, udp, sctp or icmp, not %q", f.Proto)
	}
	if q.proto == netinfo.ICMPv6 {
		q.proto = netinfo.ICMP
	}
	if q.to, err = parseTarget(&q.s, f.To, q.proto); err != nil {
		return nil, err
	}
	if f.FromContainer != "" {
		err = q.fromContainer()
	} else {
		err = q.fromAddress()
	}
	if err != nil {
		return nil, err
	}
	return q, q.checkVia()
}

// throughMaster replaces an interface that is a port of a bridge or bond by its
// master: the rules see the packets of a port come in by the master.
func (q *inquiry) throughMaster() {
	if m, ok := netinfo.MasterOf(q.s.Links, q.f.Via); ok {
		q.notes = append(q.notes, fmt.Sprintf("%s is a port of %s: its packets come in by %s, and the answer is about that", q.f.Via, m.Name, m.Name))
		q.f.Via = m.Name
	}
}

func (q *inquiry) checkVia() error {
	var names []string
	for _, l := range q.s.Links {
		names = append(names, l.Name)
	}
	if slices.Contains(names, q.f.Via) {
		outside := slices.ContainsFunc(q.outside(), func(l netinfo.Link) bool { return l.Name == q.f.Via })
		if q.f.FromContainer != "" && !outside {
			return fmt.Errorf("--via %s: nothing that a container sends outside leaves by that interface", q.f.Via)
		}
		return nil
	}
	if q.f.Via == "" {
		return nil
	}
	return fmt.Errorf("--via %s: this host has no such interface%s", q.f.Via, suggest(q.f.Via, names))
}

func (q *inquiry) fromContainer() error {
	c, err := findContainer(&q.s, q.f.FromContainer)
	if err != nil {
		return err
	}
	if c.HostNetwork {
		q.from = ownSenders()
		return nil
	}
	for _, e := range c.Endpoints {
		n, ok := q.s.Network(e.NetworkID)
		for _, a := range e.Addrs {
			if ok {
				q.from = append(q.from, sender{nic: n.Bridge, addr: a, id: c.ID, network: n.ID})
			}
		}
	}
	if len(q.from) == 0 {
		return noAddress(q.f.FromContainer, c)
	}
	return nil
}

func noAddress(name string, c *netinfo.Container) error {
	if !c.Running() {
		return fmt.Errorf("%s has no address: it is not running (%s)", name, c.State)
	}
	return fmt.Errorf("%s has no address: it is on no network", name)
}

// ownSenders stand for the host itself.
func ownSenders() []sender {
	return []sender{{nic: "lo", addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}, {nic: "lo", addr: netip.IPv6Loopback()}}
}

// fromAddress finds where the address is: the host's own, a container's, or
// outside.
func (q *inquiry) fromAddress() error {
	a, err := netip.ParseAddr(strings.Trim(q.f.From, "[]"))
	if err != nil {
		return fmt.Errorf("--from %s is not an address; a container is named with --from-container", q.f.From)
	}
	if a.Zone() != "" && q.f.Via == "" {
		q.f.Via = a.Zone()
		q.throughMaster()
	}
	a = a.Unmap().WithZone("")
	at := policy.Locate(q.s, a)
	switch {
	case at.Kind == policy.OnHost:
		q.from = []sender{{nic: "lo", addr: a}}
	case at.Container != nil && (q.f.Via == "" || q.f.Via == at.Bridge):
		q.from = []sender{q.containerSender(at, a)}
	case at.Kind == policy.OnBridge && (q.f.Via == "" || q.f.Via == at.Bridge):
		q.from = []sender{{nic: at.Bridge, addr: a, network: q.networkOf(at.Bridge)}}
	default:
		for _, nic := range q.towards(a, q.f.Via) {
			q.from = append(q.from, sender{nic: nic, addr: a})
		}
	}
	if len(q.from) == 0 {
		return fmt.Errorf("this host has no interface that %s could come in by", a)
	}
	return nil
}

func (q *inquiry) containerSender(at policy.Place, a netip.Addr) sender {
	for _, e := range at.Container.Endpoints {
		if slices.Contains(e.Addrs, a) {
			return sender{nic: at.Bridge, addr: a, id: at.Container.ID, network: e.NetworkID}
		}
	}
	return sender{nic: at.Bridge, addr: a, id: at.Container.ID}
}

// networkOf is the network of the bridge; the bridge's own name where the
// engine has not told of it.
func (q *inquiry) networkOf(bridge string) string {
	for _, n := range q.s.Networks {
		if n.Bridge == bridge {
			return n.ID
		}
	}
	return bridge
}

// towards are the interfaces that lead to an address outside: the one that was
// named, those whose subnet holds it, otherwise every one, for routes are no part
// of the facts.
func (q *inquiry) towards(a netip.Addr, via string) []string {
	if via != "" {
		return []string{via}
	}
	var all, near []string
	best := 0
	for _, l := range q.outside() {
		all = append(all, l.Name)
		for _, p := range l.Addrs {
			if !p.Masked().Contains(a) || p.Bits() < best {
				continue
			}
			if p.Bits() > best {
				best, near = p.Bits(), nil
			}
			if !slices.Contains(near, l.Name) {
				near = append(near, l.Name)
			}
		}
	}
	if len(near) > 0 {
		return near
	}
	return all
}

// outside are the interfaces that are neither lo, nor a Docker bridge, nor a
// port of a bridge or bond, which the packet is not seen to come in by.
func (q *inquiry) outside() []netinfo.Link {
	docker := map[string]bool{"lo": true}
	for _, n := range q.s.Networks {
		docker[n.Bridge] = true
	}
	var out []netinfo.Link
	for _, l := range q.s.Links {
		if _, port := netinfo.MasterOf(q.s.Links, l.Name); !docker[l.Name] && !l.Unplaced && !port {
			out = append(out, l)
		}
	}
	return out
}

// questions are the inquiry in every way that it leaves open, of one family.
func (q *inquiry) questions() ([]policy.Question, error) {
	for _, v6 := range []bool{false, true} {
		if qs := q.ofFamily(v6); len(qs) > 0 {
			return qs, nil
		}
	}
	if q.to.container != nil && !q.to.host && len(q.to.container.Endpoints) == 0 {
		return nil, noAddress(q.f.To, q.to.container)
	}
	if d := q.to.addr; d.IsValid() && slices.ContainsFunc(q.from, func(f sender) bool { return f.addr.Is6() == d.Is6() }) {
		return nil, fmt.Errorf("this host has no interface that leads to %s", d)
	}
	return nil, fmt.Errorf("%s and %s have no addresses of the same family", q.f.From+q.f.FromContainer, q.f.To)
}

func (q *inquiry) ofFamily(v6 bool) []policy.Question {
	senders := slices.DeleteFunc(slices.Clone(q.from), func(f sender) bool { return f.addr.Is6() != v6 })
	if shared := q.sharing(senders); len(shared) > 0 {
		senders = shared
	}
	var qs []policy.Question
	for _, f := range senders {
		for _, dest := range q.dests(f) {
			if dest.Is6() == v6 {
				qs = append(qs, q.leaving(q.question(f, dest), f)...)
			}
		}
	}
	return qs
}

func (q *inquiry) question(f sender, dest netip.Addr) policy.Question {
	proto := q.proto
	if proto == netinfo.ICMP && dest.Is6() {
		proto = netinfo.ICMPv6
	}
	return policy.Question{NIC: f.nic, Source: f.addr, Container: f.id, Dest: dest, Port: q.to.port, Proto: proto}
}

// leaving adds the interface that the packet leaves by, where that matters.
func (q *inquiry) leaving(question policy.Question, f sender) []policy.Question {
	at := policy.Locate(q.s, question.Dest).Kind
	if at == policy.OnHost || at == policy.OnBridge || f.nic == "lo" || f.nic == "" {
		return []policy.Question{question}
	}
	via := ""
	if q.f.FromContainer != "" {
		via = q.f.Via
	}
	var qs []policy.Question
	for _, nic := range q.towards(question.Dest, via) {
		question.Out = nic
		qs = append(qs, question)
	}
	return qs
}

// sharing are the senders on a network that the target container is on too.
func (q *inquiry) sharing(senders []sender) []sender {
	if q.to.container == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(senders), func(f sender) bool {
		return !slices.ContainsFunc(q.to.container.Endpoints, func(e netinfo.Endpoint) bool {
			return f.inside() && e.NetworkID == f.network
		})
	})
}
