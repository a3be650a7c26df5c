package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Set is a collection that rules look addresses up in. It holds members of
// both families; rendering makes one kernel set of each.
type Set struct {
	// Name is without what a backend puts before it (iptables: the family's prefix).
	Name string  `json:"name"`
	Type SetType `json:"type"`
	// Members are sorted and without duplicates (SortMembers).
	Members []Member `json:"members,omitempty"`
	// InPlace: the name stands for a purpose, and members come and go while
	// rules look at it (containers). Otherwise the name stands for the content
	// (ContentName), and the set never changes once it is there.
	InPlace bool `json:"in_place,omitempty"`
	// After names a set whose members close what these open. Where both get new
	// members at once, these come a moment later (plan.Settle): what passed just
	// before the closing has ended then.
	After string `json:"after,omitempty"`
	// Gate marks a set whose members rules refuse unless other sets have them as well.
	// New members come to it after all others, and old ones leave it before all others:
	// otherwise a packet that both rulesets let pass is refused for a moment.
	Gate   bool   `json:"gate,omitempty"`
	Origin Origin `json:"origin"`
}

// SetType says what a member is made of; the words are ipset's.
type SetType string

// The types in use.
const (
	// HashNet: an address prefix. One dimension.
	HashNet SetType = "hash:net"
	// HashNetPort: an address prefix, a protocol and a port. Two dimensions.
	HashNetPort SetType = "hash:net,port"
)

// Dims is the number of dimensions that a lookup has to name.
func (t SetType) Dims() int {
	if t == HashNetPort {
		return 2
	}
	return 1
}

// Member is one entry of a set. Proto and Port are zero in a HashNet.
// A prefix of length 0 is allowed here; rendering writes it as two halves,
// because hash:net holds no /0.
type Member struct {
	Prefix netip.Prefix `json:"prefix"`
	Proto  Protocol     `json:"proto,omitempty"`
	Port   uint16       `json:"port,omitempty"`
}

// String returns the member as ipset prints it: 10.0.0.0/8, 192.0.2.1 or
// 10.0.0.0/8,tcp:80.
func (m Member) String() string {
	s := m.Prefix.String()
	if m.Prefix.IsSingleIP() {
		s = m.Prefix.Addr().String()
	}
	if m.Proto != 0 {
		s += fmt.Sprintf(",%s:%d", m.Proto, m.Port)
	}
	return s
}

// Compare orders members: IPv4 first, then address, length, protocol, port.
func (m Member) Compare(o Member) int {
	return cmp.Or(m.Prefix.Addr().Compare(o.Prefix.Addr()), cmp.Compare(m.Prefix.Bits(), o.Prefix.Bits()),
		cmp.Compare(m.Proto, o.Proto), cmp.Compare(m.Port, o.Port))
}

// SortMembers sorts and removes duplicates, in place.
func SortMembers(ms []Member) []Member {
	slices.SortFunc(ms, Member.Compare)
	return slices.Compact(ms)
}

// Move is what changes in one set that is edited in place. Both lists are
// sorted and have no member in common.
type Move struct {
	Set        string
	Gone, Come []Member
	// After is the set's.
	After string
}

// Replace returns the members without those that are gone and with those that
// come. All three are sorted; gone are among the members, come are not. The
// members are copied.
func Replace(ms, gone, come []Member) []Member {
	return ReplaceFunc(ms, gone, come, Member.Compare)
}

// ReplaceFunc is Replace for a list that is sorted by compare.
func ReplaceFunc[E any](list, gone, come []E, compare func(a, b E) int) []E {
	out := make([]E, 0, len(list)+len(come)-len(gone))
	for len(gone)+len(come) > 0 {
		if len(come) == 0 || len(gone) > 0 && compare(gone[0], come[0]) < 0 {
			at, _ := slices.BinarySearchFunc(list, gone[0], compare)
			out = append(out, list[:at]...)
			list, gone = list[at+1:], gone[1:]
			continue
		}
		at, _ := slices.BinarySearchFunc(list, come[0], compare)
		out = append(append(out, list[:at]...), come[0])
		list, come = list[at:], come[1:]
	}
	return append(out, list...)
}

// fewEdits is how many members are better moved one by one.
const fewEdits = 64

// Edit is Replace that writes into the list it is given.
func Edit(ms, gone, come []Member) []Member { return EditFunc(ms, gone, come, Member.Compare) }

// EditFunc is Edit for a list that is sorted by compare.
func EditFunc[E any](list, gone, come []E, compare func(a, b E) int) []E {
	if len(gone)+len(come) > fewEdits {
		return ReplaceFunc(list, gone, come, compare)
	}
	for _, e := range gone {
		at, _ := slices.BinarySearchFunc(list, e, compare)
		list = slices.Delete(list, at, at+1)
	}
	for _, e := range come {
		at, _ := slices.BinarySearchFunc(list, e, compare)
		list = slices.Insert(list, at, e)
	}
	return list
}

// ContentName names a set by what it holds: kind, a dash, and 16 characters of
// a hash over type and sorted members.
func ContentName(kind string, t SetType, members []Member) string {
	h := sha256.New()
	h.Write([]byte(t))
	var b [22]byte
	for _, m := range members {
		a := m.Prefix.Addr().As16()
		copy(b[:16], a[:])
		b[16] = byte(m.Prefix.Bits())
		b[17] = byte(m.Proto)
		binary.BigEndian.PutUint16(b[18:20], m.Port)
		b[20] = byte(m.Prefix.Addr().BitLen() / 8)
		h.Write(b[:])
	}
	return kind + "-" + hashName(h.Sum(nil), 16)
}

var nameEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func hashName(sum []byte, n int) string { return nameEncoding.EncodeToString(sum)[:n] }

// FramingKind is the kind, in PurposeName, of the sets that only framing rules look up.
const FramingKind = "m"

// IsFramingSet reports whether the name is one of such a set.
func IsFramingSet(name string) bool { return strings.HasPrefix(name, FramingKind+"-") }

// PurposeName names an in-place set by what it is for: kind, a dash, and 16
// characters of a hash over the purpose's words.
func PurposeName(kind string, words ...string) string {
	h := sha256.New()
	for _, w := range words {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(w)))
		h.Write(n[:])
		h.Write([]byte(w))
	}
	return kind + "-" + hashName(h.Sum(nil), 16)
}
