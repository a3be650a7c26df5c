package picture

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"

	"dockwall/rules"
	"dockwall/rules/meaning"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// Source is a client outside: an addresses block, addresses that a
// policy writes in place, or everyone else.
type Source struct {
	// Name is "addresses.office", or the addresses themselves.
	Name     string `json:"name"`
	Position string `json:"position,omitempty"`
	// Prefixes are the first of them; Count is how many there are.
	Prefixes []netip.Prefix `json:"prefixes"`
	Count    int            `json:"count"`
	// Blocked is the block that stops all of them; empty if none does.
	Blocked string `json:"blocked,omitempty"`
	// Rest: every address that no other source contains.
	Rest bool `json:"rest,omitempty"`
}

// shown is how many prefixes of a source are in the picture.
const shown = 12

// source is a Source with all its addresses; those of all length are none.
type source struct {
	name, position string
	prefixes       []netip.Prefix
}

// newSources collects the addresses of every from, once each: by name first, then
// what is written in place.
func (x *catalog) newSources() {
	var lists []policy.AddressList
	for e := range x.p.Entries() {
		if from := e.From.Addresses; from != nil {
			lists = append(lists, *from)
		}
	}
	var named, placed []source
	for _, l := range lists {
		for _, r := range l.Refs {
			named = append(named, source{"addresses." + r.Name, position(r.Origin), narrow(r.Prefixes)})
		}
		if ps := narrow(l.Literals); len(ps) > 0 {
			placed = append(placed, source{"", "", ps})
		}
	}
	for i := range placed {
		placed[i].name = namesOf(placed[i].prefixes)
	}
	byName := func(a, b source) int { return strings.Compare(a.name, b.name) }
	slices.SortStableFunc(named, byName)
	slices.SortStableFunc(placed, byName)
	for _, s := range append(named, placed...) {
		same := func(o source) bool { return o.name == s.name && slices.Equal(o.prefixes, s.prefixes) }
		if len(s.prefixes) > 0 && !slices.ContainsFunc(x.sources, same) {
			x.sources = append(x.sources, s)
		}
	}
	x.sources = append(x.sources, source{name: "everyone else"})
}

// narrow are the prefixes, masked and sorted, without those that hold everybody.
func narrow(ps []netip.Prefix) []netip.Prefix {
	return policy.SortPrefixes(slices.DeleteFunc(slices.Clone(ps), func(p netip.Prefix) bool { return p.Bits() == 0 }))
}

func namesOf(ps []netip.Prefix) string {
	var words []string
	for _, p := range ps {
		words = append(words, prefixText(p))
	}
	return strings.Join(words, ", ")
}

// prefixText is the prefix, or the address where it is one.
func prefixText(p netip.Prefix) string {
	switch {
	case p.Bits() == 0 && p.Addr().Is4():
		return "any other IPv4 address"
	case p.Bits() == 0:
		return "any other IPv6 address"
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

func (x *catalog) sourceList() []Source {
	out := []Source{}
	for i, s := range x.sources {
		one := Source{Name: s.name, Position: s.position, Count: len(s.prefixes), Rest: i == len(x.sources)-1,
			Prefixes: append([]netip.Prefix{}, s.prefixes[:min(shown, len(s.prefixes))]...)}
		out = append(out, one)
	}
	return out
}

// atom are addresses outside that the rules do not tell apart and that belong
// to the same sources: one that stands for all, and the prefixes.
type atom struct {
	addr    netip.Addr
	labels  []string
	more    int // labels left out
	sources []int
}

func (a *atom) v6() bool { return a.addr.Is6() }

// newAtoms cuts the addresses that are neither containers' nor the host's own.
func (x *catalog) newAtoms(rs rules.Ruleset, side rules.Dim) []atom {
	more := x.inside()
	for _, s := range x.sources {
		more = append(more, s.prefixes...)
	}
	owners, inside := x.owners(), new(bart.Lite)
	for _, p := range x.inside() {
		inside.Insert(p)
	}
	ps, reps := meaning.Spread(side, rs, more)
	at := map[string]int{}
	var atoms []atom
	for i, a := range reps {
		if !a.IsValid() || a.IsLoopback() || inside.Contains(a) {
			continue
		}
		of, ok := owners.Lookup(a)
		if !ok || side == rules.Dst {
			of = []int{len(x.sources) - 1}
		}
		key := x.atomKey(a, side, of)
		n, ok := at[key]
		if !ok {
			n = len(atoms)
			at[key] = n
			atoms = append(atoms, atom{addr: a, sources: of})
		}
		atoms[n].label(prefixText(ps[i]))
	}
	return atoms
}

func (a *atom) label(text string) {
	if len(a.labels) == shown {
		a.more++
		return
	}
	a.labels = append(a.labels, text)
}

func (x *catalog) atomKey(a netip.Addr, side rules.Dim, of []int) string {
	p := trace.Packet{Src: a, Dst: somewhere(a.Is6()), Unknown: trace.FieldSrcMAC | trace.FieldInPort}
	if side == rules.Dst {
		p.Src, p.Dst = p.Dst, p.Src
	}
	key := []byte(x.key(p))
	if a.Is6() {
		key = append(key, '6')
	}
	for _, i := range of {
		key = append(key, byte(i>>8), byte(i))
	}
	return string(key)
}

// owners finds the sources that an address belongs to: those that name it most
// closely, so that one host in a named network is not the network's.
func (x *catalog) owners() *bart.Table[[]int] {
	t := new(bart.Table[[]int])
	for i, s := range x.sources {
		for _, p := range s.prefixes {
			of, _ := t.Get(p)
			t.Insert(p, append(slices.Clone(of), i))
		}
	}
	return t
}

// inside are the subnets of Docker bridges, and the host's own addresses.
func (x *catalog) inside() []netip.Prefix {
	var ps []netip.Prefix
	for _, n := range x.s.Networks {
		for _, p := range n.Subnets {
			if n.Bridge != "" {
				ps = append(ps, p.Masked())
			}
		}
	}
	for _, l := range x.s.Links {
		for _, p := range l.Addrs {
			ps = append(ps, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
		}
	}
	return ps
}

// hostAddrs are addresses to dial the host by, one of each family: not one
// that some container has the port of for itself.
func (x *catalog) hostAddrs(port hostPort) []netip.Addr {
	var out []netip.Addr
	for _, v6 := range []bool{false, true} {
		if a := x.hostAddr(port, v6); a.IsValid() {
			out = append(out, a)
		}
	}
	return out
}

func (x *catalog) hostAddr(port hostPort, v6 bool) netip.Addr {
	var best netip.Addr
	worst := 3
	nics := meaning.NICs(x.s)
	for _, l := range x.s.Links {
		for _, p := range l.Addrs {
			a := p.Addr()
			if a.Is6() != v6 || a.IsLoopback() {
				continue
			}
			bad := 0
			if !slices.Contains(nics, l.Name) || a.IsLinkLocalUnicast() {
				bad = 1
			}
			if x.claimed(a, port) {
				bad += 2
			}
			if bad < worst {
				best, worst = a, bad
			}
		}
	}
	return best
}

// claimed reports whether a container has the port on just this address.
func (x *catalog) claimed(a netip.Addr, port hostPort) bool {
	return slices.Contains(x.claims[port], a)
}
