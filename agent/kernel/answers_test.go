package kernel

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// answer is a message of the kernel's about a set: header attributes, and members.
func answer(set, typ string, family byte, maxElem, elements int, members []rules.Member, odd ...int) []byte {
	c := &setConn{}
	c.next(nl.IPSET_CMD_LIST, set, 0)
	c.attr(nl.IPSET_ATTR_TYPENAME, append([]byte(typ), 0))
	c.attr(nl.IPSET_ATTR_FAMILY, []byte{family})
	data := c.nest(nl.IPSET_ATTR_DATA)
	c.attr(nl.IPSET_ATTR_MAXELEM|unix.NLA_F_NET_BYTEORDER, binary.BigEndian.AppendUint32(nil, uint32(maxElem)))
	c.attr(nl.IPSET_ATTR_ELEMENTS|unix.NLA_F_NET_BYTEORDER, binary.BigEndian.AppendUint32(nil, uint32(elements)))
	for _, kind := range odd {
		c.attr(kind, []byte{0, 0, 0, 9})
	}
	c.end(data)
	if len(members) > 0 {
		all := c.nest(nl.IPSET_ATTR_ADT)
		for _, m := range members {
			c.member(m)
		}
		c.end(all)
	}
	c.finish()
	return c.buf
}

// end is a message that ends a list, or says that it failed.
func end(kind uint16, code int32) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN)
	b = binary.NativeEndian.AppendUint32(b, uint32(-code))
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	return b
}

func prefixes(ps ...string) []rules.Member {
	var ms []rules.Member
	for _, p := range ps {
		ms = append(ms, rules.Member{Prefix: netip.MustParsePrefix(p)})
	}
	return rules.SortMembers(ms)
}

// A list comes in several messages: a set's header once, its members in parts, other
// programs' sets between them.
func TestListOfSetsIsRead(t *testing.T) {
	nets := prefixes("10.0.0.0/8", "192.0.2.7/32")
	ports := []rules.Member{{Prefix: netip.MustParsePrefix("2001:db8::/64"), Proto: netinfo.UDP, Port: 53}}
	first := slices.Concat(answer("theirs", "hash:ip", unix.AF_INET, 65536, 1, prefixes("203.0.113.1/32")),
		answer("dockwall4-nets", "hash:net", unix.AF_INET, 1000, 2, nets[:1]))
	second := slices.Concat(answer("dockwall4-nets", "hash:net", unix.AF_INET, 1000, 2, nets[1:]),
		answer("dockwall6-ports", "hash:net,port", unix.AF_INET6, 65536, 1, ports),
		answer("dockwall4-timed", "hash:net", unix.AF_INET, 65536, 0, nil, nl.IPSET_ATTR_TIMEOUT), end(unix.NLMSG_DONE, 0))
	var d dump
	must(t, d.messages(first))
	if d.done {
		t.Fatal("the list ended before its end")
	}
	must(t, d.messages(second))
	if !d.done || len(d.sets) != 3 {
		t.Fatalf("done %v with %d sets", d.done, len(d.sets))
	}
	want := []backend.SetState{
		{Name: "dockwall4-nets", Type: "hash:net", Family: 4, MaxElem: 1000, Members: nets},
		{Name: "dockwall6-ports", Type: "hash:net,port", Family: 6, MaxElem: 65536, Members: ports},
		{Name: "dockwall4-timed", Type: "hash:net", Family: 4, MaxElem: 65536, Odd: true},
	}
	for i, w := range want {
		got, err := d.sets[i].read()
		must(t, err)
		if got.Name != w.Name || got.Type != w.Type || got.Family != w.Family || got.MaxElem != w.MaxElem || got.Odd != w.Odd || !slices.Equal(got.Members, w.Members) {
			t.Errorf("read %+v, want %+v", got, w)
		}
		if holds, err := d.sets[i].holds(&w); err != nil || !holds {
			t.Errorf("%s is not what was written: %v, %v", w.Name, holds, err)
		}
	}
	if d.sets[0].elements != 2 || len(d.sets[0].chunks) != 2 {
		t.Errorf("%d elements in %d parts", d.sets[0].elements, len(d.sets[0].chunks))
	}
}

// A set that differs in one member, in its size or in its options does not hold.
func TestChangedSetDoesNotHold(t *testing.T) {
	ms := prefixes("10.0.0.0/8", "192.0.2.7/32")
	is := backend.SetState{Name: "dockwall4-nets", Type: "hash:net", Family: 4, MaxElem: 65536, Members: ms}
	for name, b := range map[string][]byte{
		"another member":  answer(is.Name, is.Type, unix.AF_INET, 65536, 2, prefixes("10.0.0.0/8", "192.0.2.8/32")),
		"another length":  answer(is.Name, is.Type, unix.AF_INET, 65536, 2, prefixes("10.0.0.0/9", "192.0.2.7/32")),
		"one more":        answer(is.Name, is.Type, unix.AF_INET, 65536, 3, prefixes("10.0.0.0/8", "192.0.2.7/32", "192.0.2.9/32")),
		"one less":        answer(is.Name, is.Type, unix.AF_INET, 65536, 1, prefixes("10.0.0.0/8")),
		"with a timeout":  answer(is.Name, is.Type, unix.AF_INET, 65536, 2, ms, nl.IPSET_ATTR_TIMEOUT),
		"lost on the way": answer(is.Name, is.Type, unix.AF_INET, 65536, 2, ms[:1]),
	} {
		var d dump
		must(t, d.messages(b))
		if holds, err := d.sets[0].holds(&is); err != nil || holds {
			t.Errorf("%s: holds %v, %v", name, holds, err)
		}
	}
}

// An answer that was cut off, or that is an error, is never taken for a list.
func TestBadListsAreErrors(t *testing.T) {
	whole := answer("dockwall4-nets", "hash:net", unix.AF_INET, 65536, 2, prefixes("10.0.0.0/8", "192.0.2.7/32"))
	for cut := unix.NLMSG_HDRLEN; cut < len(whole); cut++ {
		if err := new(dump).messages(whole[:cut]); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for a message", cut, len(whole))
		}
	}
	for code, want := range map[int32]struct {
		done bool
		err  error
	}{
		0:                      {true, nil},
		int32(unix.EINVAL):     {true, nil}, // a kernel without ipset has no sets
		int32(unix.EOPNOTSUPP): {true, nil},
		int32(unix.EPERM):      {false, unix.EPERM},
		int32(unix.ENOENT):     {false, unix.ENOENT},
	} {
		var d dump
		if err := d.messages(end(unix.NLMSG_ERROR, code)); !errors.Is(err, want.err) || d.done != want.done {
			t.Errorf("error %d: done %v, %v; want %v, %v", code, d.done, err, want.done, want.err)
		}
	}
	if err := new(dump).failed([]byte{1}); err == nil {
		t.Error("an error without a code is none")
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := slices.Clone(whole)
		for range rapid.IntRange(1, 8).Draw(rt, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		var d dump
		if d.messages(b) == nil {
			for i := range d.sets {
				_, _ = d.sets[i].read() // an error or a set, never a panic
			}
		}
	})
}

// Every member that dockwall writes is read back the same.
func TestMembersComeBack(t *testing.T) {
	for _, ms := range [][]rules.Member{someMembers(500, false, false), someMembers(500, true, false), someMembers(500, false, true), someMembers(500, true, true)} {
		d := dumped{elements: len(ms)}
		c := &setConn{}
		for _, m := range ms {
			c.member(m)
		}
		d.chunks = [][]byte{c.buf}
		got, err := d.read()
		must(t, err)
		if got.Odd || !slices.Equal(got.Members, ms) {
			t.Errorf("%d members came back as %d, odd %v", len(ms), len(got.Members), got.Odd)
		}
	}
	for name, attr := range map[string]func(c *setConn){
		"no address": func(c *setConn) { c.attr(nl.IPSET_ATTR_CIDR, []byte{8}) },
		"a comment":  func(c *setConn) { c.member(prefixes("10.0.0.0/8")[0]); c.attr(nl.IPSET_ATTR_COMMENT, []byte("x\x00")) },
		"too many bits": func(c *setConn) {
			ip := c.nest(nl.IPSET_ATTR_IP)
			c.attr(1, []byte{10, 0, 0, 0})
			c.end(ip)
			c.attr(nl.IPSET_ATTR_CIDR, []byte{33})
		},
		"a short address": func(c *setConn) { ip := c.nest(nl.IPSET_ATTR_IP); c.attr(1, []byte{10, 0}); c.end(ip) },
	} {
		c := &setConn{}
		attr(c)
		if m, ok := readMember(c.buf); ok && name != "a comment" {
			t.Errorf("%s: read as %+v", name, m)
		}
	}
}

// Many members go into few messages, each below what a socket takes.
func TestMembersGoInChunks(t *testing.T) {
	ms := someMembers(5000, true, true)
	c := &setConn{exist: true}
	messages, sent := 0, 0
	for rest := ms; len(rest) > 0; messages++ {
		n := c.chunk(nl.IPSET_CMD_ADD, "dockwall6-ports", rest)
		c.finish()
		if n == 0 || len(c.buf) > chunkSize+200 || int(binary.NativeEndian.Uint32(c.buf)) != len(c.buf) {
			t.Fatalf("a message of %d members and %d bytes", n, len(c.buf))
		}
		if flags := binary.NativeEndian.Uint16(c.buf[6:]); flags&unix.NLM_F_EXCL != 0 || flags&unix.NLM_F_ACK == 0 {
			t.Fatalf("flags %#x: what is there already must be no error, and the answer must come", flags)
		}
		var d dump
		must(t, d.messages(c.buf))
		read, err := d.sets[0].read()
		must(t, err)
		if !slices.Equal(read.Members, rules.SortMembers(slices.Clone(rest[:n]))) {
			t.Fatalf("message %d holds other members", messages+1)
		}
		rest, sent = rest[n:], sent+n
	}
	if messages < 3 || messages > 20 || sent != len(ms) {
		t.Errorf("%d members in %d messages", sent, messages)
	}
	c.exist = false
	c.begin(nl.IPSET_CMD_ADD, "few")
	if flags := binary.NativeEndian.Uint16(c.buf[6:]); flags&unix.NLM_F_EXCL == 0 {
		t.Error("what is there already would be no error")
	}
}

// What Run remembers of the sets that it filled follows their swaps.
func TestFilledFollowsTheOperations(t *testing.T) {
	k := New(nil)
	a, b := prefixes("10.0.0.0/8"), prefixes("192.0.2.0/24")
	for _, op := range []plan.SetOp{{Verb: plan.AddMembers, Set: "x", Members: a}, {Verb: plan.AddMembers, Set: "y", Members: b}, {Verb: plan.SwapSets, Set: "x", To: "y"}} {
		k.noteFilled(op)
	}
	if !slices.Equal(k.filled["x"], b) || !slices.Equal(k.filled["y"], a) {
		t.Errorf("after the swap: %v", k.filled)
	}
	k.noteFilled(plan.SetOp{Verb: plan.DeleteMembers, Set: "x", Members: b})
	k.noteFilled(plan.SetOp{Verb: plan.DestroySet, Set: "y"})
	if len(k.filled) != 0 {
		t.Errorf("changed and destroyed sets are remembered: %v", k.filled)
	}
	if err := new(setConn).do(plan.SetOp{Verb: "tidy"}); err == nil || !strings.Contains(err.Error(), "tidy") {
		t.Errorf("an unknown verb: %v", err)
	}
}
