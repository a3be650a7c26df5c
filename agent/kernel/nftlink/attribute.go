package nftlink

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// writer appends netlink attributes to a buffer.
type writer struct{ b []byte }

// open begins an attribute that holds attributes; close ends it.
func (w *writer) open(typ uint16) (at int) {
	at = len(w.b)
	w.b = binary.NativeEndian.AppendUint16(w.b, 0)
	w.b = binary.NativeEndian.AppendUint16(w.b, typ|unix.NLA_F_NESTED)
	return at
}

func (w *writer) close(at int) {
	binary.NativeEndian.PutUint16(w.b[at:], uint16(len(w.b)-at))
}

// size is how long the attribute that was opened is by now.
func (w *writer) size(at int) int { return len(w.b) - at }

func (w *writer) bytes(typ uint16, data []byte) {
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(unix.SizeofNlAttr+len(data)))
	w.b = binary.NativeEndian.AppendUint16(w.b, typ)
	w.b = append(w.b, data...)
	w.pad()
}

func (w *writer) pad() {
	for len(w.b)%4 != 0 {
		w.b = append(w.b, 0)
	}
}

// text writes a string with its final zero.
func (w *writer) text(typ uint16, s string) {
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(unix.SizeofNlAttr+len(s)+1))
	w.b = binary.NativeEndian.AppendUint16(w.b, typ)
	w.b = append(append(w.b, s...), 0)
	w.pad()
}

func (w *writer) u8(typ uint16, v uint8) { w.bytes(typ, []byte{v}) }

func (w *writer) u16(typ uint16, v uint16) {
	w.bytes(typ, binary.BigEndian.AppendUint16(nil, v))
}

func (w *writer) u32(typ uint16, v uint32) {
	w.bytes(typ, binary.BigEndian.AppendUint32(nil, v))
}

func (w *writer) u64(typ uint16, v uint64) {
	w.bytes(typ, binary.BigEndian.AppendUint64(nil, v))
}

// value writes an attribute that holds nothing but NFTA_DATA_VALUE.
func (w *writer) value(typ uint16, data []byte) {
	at := w.open(typ)
	w.bytes(unix.NFTA_DATA_VALUE, data)
	w.close(at)
}

// errShort: the kernel's message does not have the length that its parts say.
var errShort = errors.New("a netlink message is cut off")

// each calls f with every attribute, without the flags in its type.
func each(b []byte, f func(typ uint16, data []byte)) error {
	for len(b) > 0 {
		if len(b) < unix.SizeofNlAttr {
			return errShort
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofNlAttr || n > len(b) {
			return errShort
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:n:n])
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

// only is each for data that must have attributes of these types alone, each once at most.
// They are in the order of types, and nil if they are absent.
func only(b []byte, types ...uint16) (values [][]byte, ok bool) {
	values, ok = make([][]byte, len(types)), true
	err := each(b, func(typ uint16, data []byte) {
		for i, t := range types {
			if t == typ && values[i] == nil {
				values[i] = data
				return
			}
		}
		ok = false
	})
	return values, ok && err == nil
}

// value is the content of NFTA_DATA_VALUE, which must be alone in the attribute.
func value(b []byte) (data []byte, ok bool) {
	v, ok := only(b, unix.NFTA_DATA_VALUE)
	return v[0], ok && v[0] != nil
}

// number reads an attribute of one, two, four or eight bytes, and is 0 if it is absent.
func number(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// text is a string up to its final zero.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
