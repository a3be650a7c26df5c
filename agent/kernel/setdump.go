package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
)

// dumped is one set of ours as the kernel told it, its members unread.
type dumped struct {
	state backend.SetState
	// elements is how many members there are.
	elements int
	// chunks are the members, as many attributes each as one message held.
	chunks [][]byte
	digest uint64
}

// seed is for the digests of this process.
var seed = maphash.MakeSeed()

// dumpSets asks for all sets and all that is in them. It starts no process. A kernel
// without ipset has none.
func dumpSets() ([]dumped, error) { return dumpAll(false) }

// dumpAllHeaders asks for the headers of all sets.
func dumpAllHeaders() ([]dumped, error) { return dumpAll(true) }

func dumpAll(headers bool) ([]dumped, error) {
	c, err := dialSets()
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.dump("", headers)
}

// dumpHeaders asks for the headers of these sets only. A set that is not there has
// none.
func dumpHeaders(sets []backend.SetState) ([]dumped, error) {
	c, err := dialSets()
	if err != nil {
		return nil, err
	}
	defer c.close()
	var all []dumped
	for _, set := range sets {
		one, err := c.dump(set.Name, true)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}

const (
	// headerBuffer is room for the longest answer with the header of one set. The
	// kernel makes its messages as long as what it was last asked into.
	headerBuffer  = 4 << 10
	membersBuffer = 64 << 10
)

// anyMissing reports whether one of the members is not in its set, or the set is
// not there.
func anyMissing(ms []probed) (bool, error) {
	if len(ms) == 0 {
		return false, nil
	}
	c, err := dialSets()
	if err != nil {
		return false, err
	}
	defer c.close()
	for i, p := range ms {
		flags := uint16(0)
		if i == len(ms)-1 {
			flags = unix.NLM_F_ACK
		}
		c.next(nl.IPSET_CMD_TEST, p.set, flags)
		c.member(p.member)
		c.finish()
	}
	err = c.send()
	var refused nl.IPSetError
	if errors.As(err, &refused) || errors.Is(err, unix.ENOENT) {
		return true, nil
	}
	return false, err
}

// dump asks for one set or, with no name, for all sets: their headers, or all
// that is in them.
func (c *setConn) dump(name string, headers bool) ([]dumped, error) {
	c.buf = append(c.buf[:0], make([]byte, unix.NLMSG_HDRLEN)...)
	binary.NativeEndian.PutUint16(c.buf[4:], uint16(ipsetSubsystem<<8|nl.IPSET_CMD_LIST))
	binary.NativeEndian.PutUint16(c.buf[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	c.buf = append(c.buf, unix.AF_INET, unix.NFNETLINK_V0, 0, 0)
	c.attr(nl.IPSET_ATTR_PROTOCOL, []byte{nl.IPSET_PROTOCOL})
	if name != "" {
		c.attr(nl.IPSET_ATTR_SETNAME, append([]byte(name), 0))
	}
	size := membersBuffer
	if headers {
		size = headerBuffer
		c.attr(nl.IPSET_ATTR_FLAGS, binary.BigEndian.AppendUint32(nil, ipsetListHeader))
	}
	binary.NativeEndian.PutUint32(c.buf, uint32(len(c.buf)))
	if err := unix.Sendto(c.fd, c.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("asking for the sets: %w", err)
	}
	var d dump
	if len(c.answer) != size {
		c.answer = make([]byte, size)
	}
	for !d.done {
		n, _, err := unix.Recvfrom(c.fd, c.answer, 0)
		if err != nil {
			return nil, fmt.Errorf("asking for the sets: %w", err)
		}
		if err := d.messages(c.answer[:n]); err != nil {
			return nil, fmt.Errorf("asking for the sets: %w", err)
		}
	}
	return d.sets, nil
}

// ipsetAnswers reports whether the kernel has ipset.
func ipsetAnswers() bool {
	c, err := dialSets()
	if err != nil {
		return false
	}
	defer c.close()
	err = c.command(nl.IPSET_CMD_HEADER, "dockwall", "")
	// What it answers of a set that is not there shows that it is there itself.
	return err == nil || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EPERM)
}

// dump is what has been read of the answer so far.
type dump struct {
	sets []dumped
	done bool
}

func (d *dump) messages(b []byte) error {
	for len(b) >= unix.NLMSG_HDRLEN {
		n := int(binary.NativeEndian.Uint32(b))
		if n < unix.NLMSG_HDRLEN || n > len(b) {
			return errors.New("a message that was cut off")
		}
		body := b[unix.NLMSG_HDRLEN:n]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			d.done = true
			return nil
		case unix.NLMSG_ERROR:
			return d.failed(body)
		default:
			if len(body) < 4 {
				return errors.New("a message too short to be one of ipset's")
			}
			if err := d.set(body[4:]); err != nil {
				return err
			}
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil
}

func (d *dump) failed(body []byte) error {
	if len(body) < 4 {
		return errors.New("an error that says nothing")
	}
	err := unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
	if err == 0 || err == unix.EINVAL || err == unix.EOPNOTSUPP {
		d.done = true // a kernel without ipset has no sets
		return nil
	}
	return err
}

// set takes one message: the header of a set, some of its members, or both.
func (d *dump) set(b []byte) error {
	var name string
	var header, members []byte
	s := backend.SetState{}
	err := attributes(b, func(kind int, v []byte) {
		switch kind {
		case nl.IPSET_ATTR_SETNAME:
			name = cstring(v)
		case nl.IPSET_ATTR_TYPENAME:
			s.Type = cstring(v)
		case nl.IPSET_ATTR_FAMILY:
			s.Family = familyOf(v)
		case nl.IPSET_ATTR_DATA:
			header = v
		case nl.IPSET_ATTR_ADT:
			members = v
		}
	})
	if err != nil || !backend.OwnSet(name) {
		return err
	}
	if n := len(d.sets); n == 0 || d.sets[n-1].state.Name != name {
		s.Name = name
		elements, err := readHeader(&s, header)
		if err != nil {
			return err
		}
		d.sets = append(d.sets, dumped{state: s, elements: elements})
	}
	if len(members) > 0 {
		last := &d.sets[len(d.sets)-1]
		last.chunks = append(last.chunks, slices.Clone(members))
		last.digest = last.digest*31 + maphash.Bytes(seed, members)
	}
	return nil
}

// familyOf is 4 or 6, or 0 for a set of neither.
func familyOf(v []byte) int {
	switch {
	case len(v) == 1 && v[0] == unix.AF_INET:
		return 4
	case len(v) == 1 && v[0] == unix.AF_INET6:
		return 6
	}
	return 0
}

// readHeader finds how a set was made, and how many members it has. Odd is what
// dockwall never asks for.
func readHeader(s *backend.SetState, b []byte) (elements int, err error) {
	err = attributes(b, func(kind int, v []byte) {
		switch kind {
		case nl.IPSET_ATTR_ELEMENTS:
			if len(v) == 4 {
				elements = int(binary.BigEndian.Uint32(v))
			}
		case nl.IPSET_ATTR_MAXELEM:
			if len(v) == 4 {
				s.MaxElem = int(binary.BigEndian.Uint32(v))
			}
		case nl.IPSET_ATTR_TIMEOUT, nl.IPSET_ATTR_CADT_FLAGS, nl.IPSET_ATTR_NETMASK:
			s.Odd = true
		}
	})
	return elements, err
}

// read reads the members.
func (d *dumped) read() (backend.SetState, error) {
	s := d.state
	err := d.each(func(m rules.Member, ok bool) {
		if !ok {
			s.Odd = true
			return
		}
		s.Members = append(s.Members, m)
	})
	s.Members = rules.SortMembers(s.Members)
	return s, err
}

// each calls f with each member; not ok: it is of a kind that dockwall never writes.
func (d *dumped) each(f func(m rules.Member, ok bool)) error {
	for _, chunk := range d.chunks {
		if err := attributes(chunk, func(_ int, v []byte) { f(readMember(v)) }); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether the set is as it was seen before. A set has each member once,
// in no order, and there may be a million: they are not sorted to compare them, but
// the sums of their hashes are.
func (d *dumped) holds(s *backend.SetState) (bool, error) {
	if d.elements != len(s.Members) {
		return false, nil
	}
	var want, got uint64
	for _, m := range s.Members {
		want += maphash.Comparable(seed, m)
	}
	n, odd := 0, d.state.Odd
	err := d.each(func(m rules.Member, ok bool) {
		if !ok {
			odd = true
			return
		}
		n++
		got += maphash.Comparable(seed, m)
	})
	return odd == s.Odd && n == len(s.Members) && got == want, err
}

// readMember reads one member; false if it is of a kind that dockwall never
// writes.
func readMember(b []byte) (m rules.Member, ok bool) {
	ok = true
	bits := -1
	var a netip.Addr
	err := attributes(b, func(kind int, v []byte) {
		switch {
		case kind == nl.IPSET_ATTR_IP:
			if attributes(v, func(_ int, ip []byte) { a, ok = netip.AddrFromSlice(ip) }) != nil {
				ok = false
			}
		case kind == nl.IPSET_ATTR_CIDR && len(v) == 1:
			bits = int(v[0])
		case kind == nl.IPSET_ATTR_PORT && len(v) == 2:
			m.Port = binary.BigEndian.Uint16(v)
		case kind == nl.IPSET_ATTR_PROTO && len(v) == 1:
			m.Proto = rules.Protocol(v[0])
		default:
			ok = false
		}
	})
	if bits < 0 {
		bits = a.BitLen()
	}
	m.Prefix = netip.PrefixFrom(a, bits)
	return m, ok && err == nil && m.Prefix.IsValid()
}

// attributes calls f with each of them, without the flags of its kind.
func attributes(b []byte, f func(kind int, value []byte)) error {
	for len(b) >= unix.NLA_HDRLEN {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.NLA_HDRLEN || n > len(b) {
			return errors.New("an attribute that was cut off")
		}
		f(int(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER)), b[unix.NLA_HDRLEN:n])
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil
}

func cstring(b []byte) string {
	if i := slices.Index(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
