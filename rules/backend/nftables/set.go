package nftables

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/nft"
)

// kernelSet is a set of the ruleset as the kernel holds it: one set of hashes for each
// length of prefix and family. The kernel's interval sets take milliseconds for each change
// above some ten thousand members.
type kernelSet struct {
	base string
	typ  rules.SetType
	// four and six are the lengths, sorted.
	four, six []int
}

func (s *kernelSet) lengths(family int) []int {
	if family == 6 {
		return s.six
	}
	return s.four
}

// name is the kernel's: published.shop_4_24.
func (s *kernelSet) name(family, bits int) string {
	return fmt.Sprintf("%s_%d_%d", s.base, family, bits)
}

// split reads such a name.
func split(name string) (base string, family, bits int, ok bool) {
	rest, last, ok1 := cutLast(name)
	base, middle, ok2 := cutLast(rest)
	if !ok1 || !ok2 || middle != "4" && middle != "6" {
		return "", 0, 0, false
	}
	family = int(middle[0] - '0')
	bits, err := strconv.Atoi(last)
	if err != nil || bits < 0 || bits > 32 && family == 4 || bits > 128 || strconv.Itoa(bits) != last {
		return "", 0, 0, false
	}
	return base, family, bits, base != ""
}

func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, '_')
	if i < 0 {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

// keyTypes are the parts of an element.
func keyTypes(typ rules.SetType, family int) []nft.KeyType {
	a := nft.IPv4Addr
	if family == 6 {
		a = nft.IPv6Addr
	}
	if typ == rules.HashNetPort {
		return []nft.KeyType{a, nft.InetProto, nft.InetService}
	}
	return []nft.KeyType{a}
}

// typeOf is the type of set whose elements are these.
func typeOf(family int, key []nft.KeyType) (rules.SetType, bool) {
	for _, t := range []rules.SetType{rules.HashNet, rules.HashNetPort} {
		if slices.Equal(key, keyTypes(t, family)) {
			return t, true
		}
	}
	return "", false
}

// usual are the lengths that members of a set that is edited in place can come to have at
// any time: containers are addresses, and a port is published at one or at all. If there is
// a set of each from the beginning, a member comes without a change of rules.
func usual(s rules.Set) (four, six []int) {
	switch {
	case !s.InPlace:
		return nil, nil
	case s.Type == rules.HashNetPort:
		return []int{0, 32}, []int{0, 128}
	}
	return []int{32}, []int{128}
}

// place is one of a set's kernel sets.
type place struct{ family, bits int }

// elements are the members of a set by the kernel set that holds them. Members are sorted,
// so that elements are.
func elements(typ rules.SetType, ms []rules.Member) map[place][]nft.Element {
	type group struct {
		count int
		es    []nft.Element
		keys  []byte
	}
	var groups [len(families)][129]group // a map would take most of the time
	of := func(m rules.Member) *group {
		if m.Prefix.Addr().Is4() {
			return &groups[0][m.Prefix.Bits()]
		}
		return &groups[1][m.Prefix.Bits()]
	}
	for _, m := range ms {
		of(m).count++
	}
	for i, family := range families {
		for bits := range groups[i] {
			if g := &groups[i][bits]; g.count > 0 {
				g.es, g.keys = make([]nft.Element, 0, g.count), make([]byte, 0, g.count*keySize(typ, family))
			}
		}
	}
	for _, m := range ms {
		g := of(m)
		from := len(g.keys)
		g.keys = appendKey(g.keys, typ, m)
		g.es = append(g.es, nft.Element{Key: g.keys[from:len(g.keys):len(g.keys)]})
	}
	out := map[place][]nft.Element{}
	for i, family := range families {
		for bits := range groups[i] {
			if g := &groups[i][bits]; g.count > 0 {
				out[place{family, bits}] = g.es
			}
		}
	}
	return out
}

func keySize(typ rules.SetType, family int) int {
	n := 4
	if family == 6 {
		n = 16
	}
	if typ == rules.HashNetPort {
		n += 8
	}
	return n
}

func appendKey(b []byte, typ rules.SetType, m rules.Member) []byte {
	if m.Prefix.Addr().Is4() {
		a := m.Prefix.Addr().As4()
		b = append(b, a[:]...)
	} else {
		a := m.Prefix.Addr().As16()
		b = append(b, a[:]...)
	}
	if typ == rules.HashNetPort {
		b = append(b, byte(m.Proto), 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, m.Port)
		b = append(b, 0, 0)
	}
	return b
}

// member reads an element back. ok is false if it is none that dockwall writes.
func member(typ rules.SetType, p place, e nft.Element) (m rules.Member, ok bool) {
	if len(e.Key) != keySize(typ, p.family) || e.End != nil || e.Verdict != nil {
		return m, false
	}
	size := 4
	if p.family == 6 {
		size = 16
	}
	a, _ := netip.AddrFromSlice(e.Key[:size])
	m.Prefix = netip.PrefixFrom(a, p.bits)
	if typ == rules.HashNetPort {
		m.Proto, m.Port = netinfo.Protocol(e.Key[size]), binary.BigEndian.Uint16(e.Key[size+4:])
		if !hasPorts(m.Proto) {
			return m, false
		}
	}
	return m, m.Prefix == m.Prefix.Masked()
}

// baseNames names the kernel sets after the blocks that they are for, as far as that is
// unambiguous: published.shop, else published.shop.w, else with the whole name.
func baseNames(sets []rules.Set) map[string]string {
	subject := func(s rules.Set) string { return word1(s.Origin.Subject.String()) }
	kind := func(s rules.Set) string { k, _, _ := strings.Cut(s.Name, "-"); return subject(s) + "." + k }
	count := map[string]int{}
	for _, s := range sets {
		count[subject(s)]++
		count[kind(s)]++
	}
	out, taken := make(map[string]string, len(sets)), map[string]bool{}
	for _, s := range sets {
		name := s.Name
		for _, short := range []string{subject(s), kind(s), subject(s) + "." + s.Name} {
			if (count[short] == 1 || count[short] == 0) && !taken[short] && len(short) <= maxBase {
				name = short
				break
			}
		}
		for taken[name] {
			name += "."
		}
		out[s.Name], taken[name] = name, true
	}
	return out
}

// maxBase leaves room for _6_128 in NFT_SET_MAXNAMELEN, and for readers.
const maxBase = 100

// word1 is a text as nft takes it for a name.
func word1(text string) string {
	out := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, text)
	if out == "" || !(out[0] >= 'A' && out[0] <= 'Z' || out[0] >= 'a' && out[0] <= 'z') {
		return "set." + out
	}
	return out
}
