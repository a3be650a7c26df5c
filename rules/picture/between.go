package picture

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/trace"
)

// Pair is the containers that reach each other on one network by one policy.
type Pair struct {
	Policy   string `json:"policy"`
	Position string `json:"position,omitempty"`
	// Family is "IPv4" or "IPv6" where it is not so in the other.
	Family string   `json:"family,omitempty"`
	From   []string `json:"from"`
	To     []string `json:"to"`
	// Senders and Targets are the members' places in the network's list.
	Senders []int `json:"-"`
	Targets []int `json:"-"`
}

// ends are addresses of members that the rules do not tell apart.
type ends struct {
	addrs []netip.Addr
	seats []*seat
}

// between asks about every pair of members and every port that rules tell apart.
func (x *prober) between(seats []seat) (State, []Pair) {
	from, to := x.endsOf(seats, x.senderKey), x.endsOf(seats, x.receiverKey)
	open, shut := false, false
	m := meeting{pairs: map[[2]string]*Pair{}, met: make([][]bool, len(seats))}
	for i := range from {
		for j := range to {
			a, b, ok := apart(&from[i], &to[j])
			if !ok || from[i].addrs[a].Is6() != to[j].addrs[b].Is6() {
				continue
			}
			for _, ans := range x.acrossPorts(from[i].seats[a], from[i].addrs[a], to[j].addrs[b]) {
				open, shut = open || ans.pass, shut || !ans.pass
				if ans.pass {
					m.note(ans.by.String(), &from[i], &to[j])
				}
			}
		}
	}
	state := stateOf(open, shut)
	if !open && !shut {
		// A single container has no peer.
		state = ""
	}
	if state != Some {
		return state, []Pair{}
	}
	return state, x.pairList(&m, seats)
}

// endsOf groups the members' addresses by key.
func (x *catalog) endsOf(seats []seat, key func(s *seat, a netip.Addr) string) []ends {
	at := map[string]int{}
	var out []ends
	for i := range seats {
		for _, a := range seats[i].endpoint.Addrs {
			k := key(&seats[i], a)
			n, ok := at[k]
			if !ok {
				n = len(out)
				at[k] = n
				out = append(out, ends{})
			}
			out[n].addrs = append(out[n].addrs, a)
			out[n].seats = append(out[n].seats, &seats[i])
		}
	}
	return out
}

func (x *catalog) senderKey(s *seat, a netip.Addr) string {
	p := trace.Packet{In: s.network.Bridge, Src: a, Dst: somewhere(a.Is6()), SrcMAC: s.endpoint.MAC, Unknown: trace.FieldInPort}
	return family(a) + s.network.Bridge + " " + x.key(p)
}

func (x *catalog) receiverKey(s *seat, a netip.Addr) string {
	key := family(a)
	for _, proto := range []netinfo.Protocol{netinfo.TCP, netinfo.UDP} {
		for _, n := range x.cuts[proto] {
			key += x.key(trace.Packet{Out: s.network.Bridge, Src: somewhere(a.Is6()), Dst: a, Proto: proto, DstPort: n,
				Unknown: trace.FieldInPort | trace.FieldSrcMAC})
		}
	}
	return key
}

func family(a netip.Addr) string {
	if a.Is6() {
		return "6"
	}
	return "4"
}

// apart picks two members that are not one.
func apart(from, to *ends) (a, b int, ok bool) {
	for j, t := range to.seats {
		if t.index != from.seats[0].index {
			return 0, j, true
		}
	}
	for i, f := range from.seats {
		if f.index != to.seats[0].index {
			return i, 0, true
		}
	}
	return 0, 0, false
}

// acrossPorts are the answers on one port of each run.
func (x *prober) acrossPorts(s *seat, from, to netip.Addr) []answer {
	var out []answer
	for _, proto := range []netinfo.Protocol{netinfo.TCP, netinfo.UDP} {
		for _, n := range x.cuts[proto] {
			if ans := x.ask(s.question(from, to, n, proto)); ans.seen {
				out = append(out, ans)
			}
		}
	}
	return out
}

// meeting is the pairs that reach each other on a network, by policy and family.
type meeting struct {
	pairs map[[2]string]*Pair
	// met are the senders' places, and for each the targets' that it reaches.
	met [][]bool
}

func (m *meeting) note(by string, from, to *ends) {
	key := [2]string{by, "IPv" + family(from.addrs[0])}
	p := m.pairs[key]
	if p == nil {
		p = &Pair{Policy: by, Family: key[1]}
		m.pairs[key] = p
	}
	for _, s := range from.seats {
		if m.met[s.index] == nil {
			m.met[s.index] = make([]bool, len(m.met))
		}
		for _, t := range to.seats {
			m.met[s.index][t.index] = true
		}
	}
	// A member that is the only one on the other side reaches no peer there.
	p.Senders = union(p.Senders, apartFrom(from, to))
	p.Targets = union(p.Targets, apartFrom(to, from))
}

// apartFrom are the members of one side that are not alone on the other.
func apartFrom(side, other *ends) []int {
	var out []int
	for _, s := range side.seats {
		if slices.ContainsFunc(other.seats, func(o *seat) bool { return o.index != s.index }) {
			out = append(out, s.index)
		}
	}
	return out
}

// pairList has a policy once for both families, unless that would seem to say
// that some meet who do not.
func (x *catalog) pairList(m *meeting, seats []seat) []Pair {
	out := []Pair{}
	for key, p := range m.pairs {
		if other := m.pairs[[2]string{p.Policy, "IPv4"}]; key[1] == "IPv6" && other != nil && m.joins(other, p) {
			continue
		}
		if other := m.pairs[[2]string{p.Policy, "IPv6"}]; key[1] == "IPv4" && other != nil && m.joins(p, other) {
			p = &Pair{Policy: p.Policy, Senders: union(p.Senders, other.Senders), Targets: union(p.Targets, other.Targets)}
		} else if other == nil {
			p.Family = ""
		}
		p.Position = x.position(p.Policy)
		p.From, p.To = namesAt(p.Senders, seats), namesAt(p.Targets, seats)
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Pair) int {
		return cmp.Or(strings.Compare(a.Policy, b.Policy), strings.Compare(a.Family, b.Family))
	})
	return out
}

// joins reports whether each sender of either meets each target of either.
func (m *meeting) joins(a, b *Pair) bool {
	for _, s := range union(a.Senders, b.Senders) {
		for _, t := range union(a.Targets, b.Targets) {
			if s != t && (m.met[s] == nil || !m.met[s][t]) {
				return false
			}
		}
	}
	return true
}

func namesAt(indexes []int, seats []seat) []string {
	names := []string{}
	for _, i := range indexes {
		names = append(names, seats[i].container.Name)
	}
	return names
}
