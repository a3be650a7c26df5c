package nftlink

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"dockwall/rules/nft"
)

const (
	// setConcat is NFT_SET_CONCAT: the key is a concatenation of ranges.
	setConcat = 0x80
	// setDescConcat and setFieldLen are NFTA_SET_DESC_CONCAT and NFTA_SET_FIELD_LEN.
	setDescConcat = 2
	setFieldLen   = 1
	// dataVerdict is NFT_DATA_VERDICT, the type of what a map of verdicts says.
	dataVerdict = 0xffffff00
	// typeBits is how many bits each part of a concatenation has in a key's type.
	typeBits = 6

	// What nft keeps with a set for its listings (enum nftnl_udata_set_types).
	udataKeyOrder   = 0
	udataSetComment = 7
	// udataRuleComment is the type of a rule's comment (enum nftnl_udata_rule_types).
	udataRuleComment = 0
	hostOrder        = 1
	networkOrder     = 2
)

// keyTypes are nft's numbers (enum datatypes); the kernel keeps them, and does not look at
// them.
var keyTypes = []struct {
	typ    nft.KeyType
	number uint32
}{{nft.IPv4Addr, 7}, {nft.IPv6Addr, 8}, {nft.InetProto, 12}, {nft.InetService, 13}, {nft.IfName, 41}}

func keyNumber(t nft.KeyType) uint32 {
	for _, k := range keyTypes {
		if k.typ == t {
			return k.number
		}
	}
	return 0
}

// keyOf splits the number of a key's type. Not ok: dockwall writes no such key.
func keyOf(number uint32) (key []nft.KeyType, ok bool) {
	for ; number != 0; number >>= typeBits {
		i := slices.IndexFunc(keyTypes, func(k struct {
			typ    nft.KeyType
			number uint32
		}) bool {
			return k.number == number&(1<<typeBits-1)
		})
		if i < 0 {
			return nil, false
		}
		key = append(key, keyTypes[i].typ)
	}
	slices.Reverse(key)
	return key, len(key) > 0
}

// keyBytes is how long the keys of elements are.
func keyBytes(key []nft.KeyType) int {
	if len(key) == 1 {
		return key[0].Bytes()
	}
	n := 0
	for _, t := range key {
		n += 4 * words(t.Bytes())
	}
	return n
}

// set writes a set without its elements. id is any number that no other set of the
// transaction has.
func (w *writer) set(table string, s nft.Set, id uint32) error {
	number := uint32(0)
	for _, t := range s.Key {
		n := keyNumber(t)
		if n == 0 {
			return fmt.Errorf("the key type %s cannot be written", t)
		}
		number = number<<typeBits | n
	}
	if len(s.Key) == 0 || len(s.Key) > 32/typeBits || s.Interval && len(s.Key) == 1 || len(s.Comment) > nft.MaxComment {
		return fmt.Errorf("the set cannot be written: its key is %v, and its comment has %d bytes", s.Key, len(s.Comment))
	}
	flags := uint32(0)
	if s.Map {
		flags |= unix.NFT_SET_MAP
	}
	if s.Interval {
		flags |= unix.NFT_SET_INTERVAL | setConcat
	}
	w.text(unix.NFTA_SET_TABLE, table)
	w.text(unix.NFTA_SET_NAME, s.Name)
	w.u32(unix.NFTA_SET_FLAGS, flags)
	w.u32(unix.NFTA_SET_KEY_TYPE, number)
	w.u32(unix.NFTA_SET_KEY_LEN, uint32(keyBytes(s.Key)))
	if s.Map {
		w.u32(unix.NFTA_SET_DATA_TYPE, dataVerdict)
		w.u32(unix.NFTA_SET_DATA_LEN, 0)
	}
	w.u32(unix.NFTA_SET_ID, id)
	w.describe(s)
	w.bytes(unix.NFTA_SET_USERDATA, setUserdata(s))
	return nil
}

// describe writes how large the set may be, and the parts of ranges.
func (w *writer) describe(s nft.Set) {
	if s.Size == 0 && !s.Interval {
		return
	}
	at := w.open(unix.NFTA_SET_DESC)
	if s.Size != 0 {
		w.u32(unix.NFTA_SET_DESC_SIZE, s.Size)
	}
	if s.Interval {
		concat := w.open(setDescConcat)
		for _, t := range s.Key {
			field := w.open(unix.NFTA_LIST_ELEM)
			w.u32(setFieldLen, uint32(t.Bytes()))
			w.close(field)
		}
		w.close(concat)
	}
	w.close(at)
}

// setUserdata is what nft needs to print the set.
func setUserdata(s nft.Set) []byte {
	order := uint32(networkOrder)
	if s.Key[0] == nft.IfName {
		order = hostOrder
	}
	u := binary.NativeEndian.AppendUint32([]byte{udataKeyOrder, 4}, order)
	if s.Comment != "" {
		u = appendComment(u, udataSetComment, s.Comment)
	}
	return u
}

func appendComment(u []byte, typ byte, text string) []byte {
	return append(append(append(u, typ, byte(len(text)+1)), text...), 0)
}

// comment is the comment in the data that nft keeps with a set or a rule.
func comment(udata []byte, typ byte) string {
	for len(udata) >= 2 && len(udata) >= 2+int(udata[1]) {
		n := 2 + int(udata[1])
		if udata[0] == typ {
			return text(udata[2:n])
		}
		udata = udata[n:]
	}
	return ""
}

// parseSet reads a set without its elements. other is set if the set is not of the table.
func parseSet(b []byte, table string) (s nft.Set, other bool, err error) {
	var flags, typ, size, length uint32
	err = each(b, func(attr uint16, data []byte) {
		switch attr {
		case unix.NFTA_SET_TABLE:
			other = text(data) != table
		case unix.NFTA_SET_NAME:
			s.Name = text(data)
		case unix.NFTA_SET_FLAGS:
			flags = uint32(number(data))
		case unix.NFTA_SET_KEY_TYPE:
			typ = uint32(number(data))
		case unix.NFTA_SET_KEY_LEN:
			length = uint32(number(data))
		case unix.NFTA_SET_DATA_TYPE:
			s.Odd = s.Odd || number(data) != dataVerdict
		case unix.NFTA_SET_DESC:
			_ = each(data, func(attr uint16, data []byte) {
				if attr == unix.NFTA_SET_DESC_SIZE {
					size = uint32(number(data))
				}
			})
		case unix.NFTA_SET_USERDATA:
			s.Comment = comment(data, udataSetComment)
		case unix.NFTA_SET_TIMEOUT, unix.NFTA_SET_OBJ_TYPE, setExpr, setExpressions:
			s.Odd = true
		}
	})
	s.Size, s.Map, s.Interval = size, flags&unix.NFT_SET_MAP != 0, flags&unix.NFT_SET_INTERVAL != 0
	var ok bool
	s.Key, ok = keyOf(typ)
	// A timeout, a set that rules write to, and one that belongs to a rule have flags of
	// their own.
	s.Odd = s.Odd || !ok || flags&^(unix.NFT_SET_MAP|unix.NFT_SET_INTERVAL|setConcat) != 0 || int(length) != keyBytes(s.Key) || s.Interval && len(s.Key) == 1
	return s, other, err
}

const (
	setExpr        = 17 // NFTA_SET_EXPR
	setExpressions = 18 // NFTA_SET_EXPRESSIONS
	elemKeyEnd     = 10 // NFTA_SET_ELEM_KEY_END
)

// element writes an element of a list.
func (w *writer) element(e nft.Element) error {
	at := w.open(unix.NFTA_LIST_ELEM)
	w.value(unix.NFTA_SET_ELEM_KEY, e.Key)
	if e.End != nil {
		w.value(elemKeyEnd, e.End)
	}
	if e.Verdict != nil {
		if err := w.verdict(unix.NFTA_SET_ELEM_DATA, *e.Verdict); err != nil {
			return err
		}
	}
	w.close(at)
	return nil
}

// keep holds the bytes of many keys in few allocations.
type keep struct{ free []byte }

const keepSize = 64 << 10

func (k *keep) clone(b []byte) []byte {
	if len(k.free) < len(b) {
		k.free = make([]byte, max(keepSize, len(b)))
	}
	out := k.free[:len(b):len(b)]
	copy(out, b)
	k.free = k.free[len(b):]
	return out
}

// parseElements appends the elements of a message's list to the set.
func parseElements(b []byte, s *nft.Set, k *keep) error {
	want := keyBytes(s.Key)
	return each(b, func(attr uint16, list []byte) {
		if attr != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			return
		}
		err := each(list, func(_ uint16, data []byte) {
			e, ok := parseElement(data, want, s, k)
			s.Odd = s.Odd || !ok
			s.Elements = append(s.Elements, e)
		})
		s.Odd = s.Odd || err != nil
	})
}

// parseElement reads an element. Not ok: dockwall writes no such element.
func parseElement(b []byte, want int, s *nft.Set, k *keep) (e nft.Element, ok bool) {
	ok = true
	err := each(b, func(attr uint16, data []byte) {
		switch attr {
		case unix.NFTA_SET_ELEM_KEY:
			e.Key, _ = value(data)
			e.Key = k.clone(e.Key)
		case elemKeyEnd:
			e.End, _ = value(data)
			e.End = k.clone(e.End)
		case unix.NFTA_SET_ELEM_DATA:
			v, known := verdictOf(data)
			e.Verdict, ok = &v, ok && known
		case unix.NFTA_SET_ELEM_USERDATA, unix.NFTA_SET_ELEM_PAD:
		default: // flags, timeouts, expressions
			ok = false
		}
	})
	return e, ok && err == nil && len(e.Key) == want && (e.Verdict != nil) == s.Map && (e.End != nil) == s.Interval && (e.End == nil || len(e.End) == want)
}

// sortElements sorts by key: the kernel has them in no order.
func sortElements(es []nft.Element) {
	slices.SortFunc(es, func(a, b nft.Element) int {
		if c := bytes.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return bytes.Compare(a.End, b.End)
	})
}
