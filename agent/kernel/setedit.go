package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// chunkSize is how long one message with members becomes: well below what an
// attribute can hold (64 KiB) and what a socket takes at once by default.
const chunkSize = 48 << 10

// editSets does the operations of a step.
func (k *Kernel) editSets(ctx context.Context, s plan.Step, a plan.EditSets) error {
	c, err := dialSets()
	if err != nil {
		return fmt.Errorf("%s: %w", s.Why, err)
	}
	defer c.close()
	c.exist = a.Exist
	for _, op := range a.Ops {
		// What was read of them says nothing any more.
		delete(k.digests, op.Set)
		delete(k.digests, op.To)
		if err = ctx.Err(); err == nil {
			err = c.do(op)
		}
		k.noteFilled(op)
		if err != nil && !s.MayFail {
			return &StepError{Step: s, Origin: op.Origin, Err: err}
		}
	}
	return nil
}

// noteFilled keeps filled as the operation has it. A set that is there already may
// hold more than what is added: callers that depend on filled check it.
func (k *Kernel) noteFilled(op plan.SetOp) {
	switch op.Verb {
	case plan.AddMembers:
		k.filled[op.Set] = op.Members
	case plan.SwapSets:
		k.filled[op.Set], k.filled[op.To] = k.filled[op.To], k.filled[op.Set]
	default:
		delete(k.filled, op.Set)
	}
}

// setConn speaks ipset's protocol with the kernel. What is sent is answered before
// more is sent.
type setConn struct {
	fd int
	// exist: what is already there, or already gone, is no error.
	exist bool
	// buf are the messages to be sent, of which the last begins at.
	buf []byte
	at  int
	// answer is what dump reads into.
	answer []byte
}

func dialSets() (*setConn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("talking to ipset: %w", err)
	}
	// An answer need not repeat the request. Older kernels do, which is no harm.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	// Nothing is waited for: the kernel has answered when the sending returns.
	limit := unix.NsecToTimeval(ipsetTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("talking to ipset: %w", err)
	}
	return &setConn{fd: fd}, nil
}

func (c *setConn) close() { unix.Close(c.fd) }

func (c *setConn) do(op plan.SetOp) error {
	switch op.Verb {
	case plan.AddMembers:
		return c.members(nl.IPSET_CMD_ADD, op)
	case plan.DeleteMembers:
		return c.members(nl.IPSET_CMD_DEL, op)
	case plan.SwapSets:
		return c.command(nl.IPSET_CMD_SWAP, op.Set, op.To)
	case plan.DestroySet:
		return c.command(nl.IPSET_CMD_DESTROY, op.Set, "")
	}
	return fmt.Errorf("ipset does not know how to %q", op.Verb)
}

// command does what needs names only.
func (c *setConn) command(cmd int, set, to string) error {
	c.begin(cmd, set)
	if to != "" {
		c.attr(nl.IPSET_ATTR_SETNAME2, append([]byte(to), 0))
	}
	if err := c.send(); err != nil {
		return fmt.Errorf("set %s: %w", set, err)
	}
	return nil
}

// members adds or deletes the members, many in each message.
func (c *setConn) members(cmd int, op plan.SetOp) error {
	for rest := op.Members; len(rest) > 0; {
		n := c.chunk(cmd, op.Set, rest)
		err := c.send()
		if err != nil && n > 1 {
			err = c.oneByOne(cmd, op.Set, rest[:n], err)
		}
		if err != nil {
			return fmt.Errorf("set %s, %s: %w", op.Set, rest[0].Prefix, err)
		}
		rest = rest[n:]
	}
	return nil
}

// oneByOne finds which member of a chunk the kernel does not take. Some of the
// chunk are done already.
func (c *setConn) oneByOne(cmd int, set string, ms []rules.Member, err error) error {
	exist := c.exist
	c.exist = true
	defer func() { c.exist = exist }()
	for i := range ms {
		c.chunk(cmd, set, ms[i:i+1])
		if one := c.send(); one != nil {
			return fmt.Errorf("(up to %s) %w", ms[i].Prefix, one)
		}
	}
	return err
}

// chunk writes a message with as many of the members as go into one, and reports
// how many they are.
func (c *setConn) chunk(cmd int, set string, ms []rules.Member) int {
	c.begin(cmd, set)
	c.attr(nl.IPSET_ATTR_LINENO|unix.NLA_F_NET_BYTEORDER, []byte{0, 0, 0, 0})
	all := c.nest(nl.IPSET_ATTR_ADT)
	n := 0
	for n < len(ms) && len(c.buf) < chunkSize {
		c.member(ms[n])
		n++
	}
	c.end(all)
	return n
}

func (c *setConn) member(m rules.Member) {
	one := c.nest(nl.IPSET_ATTR_DATA)
	ip := c.nest(nl.IPSET_ATTR_IP)
	if a := m.Prefix.Addr(); a.Is4() {
		b := a.As4()
		c.attr(nl.IPSET_ATTR_IPADDR_IPV4|unix.NLA_F_NET_BYTEORDER, b[:])
	} else {
		b := a.As16()
		c.attr(nl.IPSET_ATTR_IPADDR_IPV6|unix.NLA_F_NET_BYTEORDER, b[:])
	}
	c.end(ip)
	c.attr(nl.IPSET_ATTR_CIDR, []byte{byte(m.Prefix.Bits())})
	if m.Proto != 0 {
		var port [2]byte
		binary.BigEndian.PutUint16(port[:], m.Port)
		c.attr(nl.IPSET_ATTR_PORT|unix.NLA_F_NET_BYTEORDER, port[:])
		c.attr(nl.IPSET_ATTR_PROTO, []byte{byte(m.Proto)})
	}
	c.end(one)
}

// begin starts a message about the set.
func (c *setConn) begin(cmd int, set string) {
	c.buf = c.buf[:0]
	c.next(cmd, set, unix.NLM_F_ACK)
}

// next starts a further message. Of several that are sent at once only the last
// asks for an answer (NLM_F_ACK): of the others the kernel tells only that they
// failed.
func (c *setConn) next(cmd int, set string, flags uint16) {
	flags |= unix.NLM_F_REQUEST
	if !c.exist {
		flags |= unix.NLM_F_EXCL
	}
	c.at = len(c.buf)
	c.buf = append(c.buf, make([]byte, unix.NLMSG_HDRLEN)...)
	binary.NativeEndian.PutUint16(c.buf[c.at+4:], uint16(ipsetSubsystem<<8|cmd))
	binary.NativeEndian.PutUint16(c.buf[c.at+6:], flags)
	binary.NativeEndian.PutUint32(c.buf[c.at+8:], uint32(c.at))
	c.buf = append(c.buf, unix.AF_INET, unix.NFNETLINK_V0, 0, 0)
	c.attr(nl.IPSET_ATTR_PROTOCOL, []byte{nl.IPSET_PROTOCOL})
	c.attr(nl.IPSET_ATTR_SETNAME, append([]byte(set), 0))
}

// finish writes the message's length, once all of it is there.
func (c *setConn) finish() {
	binary.NativeEndian.PutUint32(c.buf[c.at:], uint32(len(c.buf)-c.at))
}

func (c *setConn) attr(kind int, payload []byte) {
	at := c.header(kind)
	c.buf = append(c.buf, payload...)
	c.end(at)
}

// nest begins an attribute that holds others, and returns where it began.
func (c *setConn) nest(kind int) int { return c.header(kind | unix.NLA_F_NESTED) }

func (c *setConn) header(kind int) int {
	at := len(c.buf)
	c.buf = append(c.buf, 0, 0, byte(kind), byte(kind>>8))
	binary.NativeEndian.PutUint16(c.buf[at+2:], uint16(kind))
	return at
}

// end writes the length of the attribute that began there, and the padding that
// the length does not count.
func (c *setConn) end(at int) {
	binary.NativeEndian.PutUint16(c.buf[at:], uint16(len(c.buf)-at))
	for len(c.buf)%4 != 0 {
		c.buf = append(c.buf, 0)
	}
}

// send sends the messages and reads the kernel's answer. The error is that of the
// first that failed; those after it were done all the same.
func (c *setConn) send() error {
	c.finish()
	if err := unix.Sendto(c.fd, c.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	var first error
	for {
		at, err := c.receive()
		if first == nil {
			first = err
		}
		if at == c.at || at < 0 {
			return first
		}
	}
}

// receive reads one answer, and tells to which message it is: where in buf it
// began; below zero: there will be none.
func (c *setConn) receive() (at int, err error) {
	var answer [unix.NLMSG_HDRLEN + 4]byte
	n, _, err := unix.Recvfrom(c.fd, answer[:], 0)
	if err != nil {
		return -1, err
	}
	if n < len(answer) || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return -1, errors.New("the kernel's answer makes no sense")
	}
	at = int(binary.NativeEndian.Uint32(answer[8:]))
	code := -int32(binary.NativeEndian.Uint32(answer[unix.NLMSG_HDRLEN:]))
	switch {
	case code == 0:
		return at, nil
	case code >= nl.IPSET_ERR_PRIVATE:
		return at, nl.IPSetError(code)
	}
	return at, unix.Errno(code)
}
