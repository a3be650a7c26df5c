package nftlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/rules/nft"
)

const (
	// answerTime bounds the wait for the kernel: it takes some seconds for a transaction of
	// a million elements.
	answerTime = 60 * time.Second
	// sendRoom is what the socket's buffer needs besides the message.
	sendRoom = 64 << 10
	// receiveSize holds any answer to a transaction: with NETLINK_CAP_ACK the kernel does
	// not send the request back.
	receiveSize = 64 << 10
)

// Flags of a table.
const (
	// Dormant is NFT_TABLE_F_DORMANT: no packet meets the table's chains.
	Dormant = 0x1
	// Owner is NFT_TABLE_F_OWNER (Linux 5.12): only the socket that made the table can
	// change it, `nft flush ruleset` passes it by, and it goes when the socket does.
	Owner = 0x2
	// Persist is NFT_TABLE_F_PERSIST (Linux 6.9): the table stays when its owner's socket
	// goes, and has no owner then.
	Persist = 0x4
)

// Conn is a netlink socket to nf_tables.
type Conn struct {
	conn *netlink.Conn
	// seq is the sequence number of the next transaction's first message.
	seq uint32
	// sendSize is the size of the socket's buffer, if it was set.
	sendSize int
}

// Dial opens a socket in the network namespace of the calling thread.
func Dial() (*Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	// Kernels without it send no text.
	_ = conn.SetOption(netlink.ExtendedAcknowledge, true)
	return &Conn{conn: conn, seq: 1 << 16}, nil
}

// Close closes the socket. A table with the flag Owner and without Persist goes with it.
func (c *Conn) Close() error { return c.conn.Close() }

// Socket is the socket's address (nl_pid), by which the kernel's notices name it.
func (c *Conn) Socket() int { return int(c.conn.PID()) }

// Commit runs the operations on the table of family inet in one transaction. AddTable makes
// it with the flags. With generation other than 0 it is refused (unix.ERESTART) if another
// transaction has been committed since. The error is an *OpError if the kernel refused it,
// and then nothing has changed.
func (c *Conn) Commit(table string, flags uint32, ops nft.Ops, generation uint32) error {
	b, err := newBatch(table, flags, ops, generation, c.seq)
	if err != nil || len(b.ops) == 0 {
		return err
	}
	b.end()
	return c.commit(b, ops)
}

// Check is Commit that changes nothing: the kernel aborts a transaction that has no end
// once it has checked it (nfnetlink_rcv_batch; nft --check does the same).
func (c *Conn) Check(table string, flags uint32, ops nft.Ops) error {
	b, err := newBatch(table, flags, ops, 0, c.seq)
	if err != nil || len(b.ops) == 0 {
		return err
	}
	return c.commit(b, ops)
}

func (c *Conn) commit(b *batch, ops nft.Ops) error {
	c.seq = b.last() + 2
	if err := c.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	// Answers to transactions shall not repeat the request, which may be long. The answers
	// to questions must, because mdlayher/netlink does not read them otherwise.
	_ = c.conn.SetOption(netlink.CapAcknowledge, true)
	defer c.conn.SetOption(netlink.CapAcknowledge, false)
	if err := c.send(b.b); err != nil {
		return fmt.Errorf("sending a transaction of %d bytes: %w", len(b.b), err)
	}
	return c.result(b, ops)
}

// send sends the buffer as one datagram, which a transaction must be.
func (c *Conn) send(buf []byte) error {
	if need := len(buf) + sendRoom; need > c.sendSize {
		if err := c.conn.SetWriteBuffer(need); err != nil {
			return err
		}
		c.sendSize = need
	}
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return sent != unix.EAGAIN && sent != unix.EINTR
	})
	return errors.Join(err, sent)
}

// errNoAnswer: the kernel's answers did not fit into the socket.
var errNoAnswer = errors.New("the kernel's answer to the transaction is lost: whether it is in force is not known")

// result reads the answers, and returns the first error. The kernel has given all of them
// by the time that the request is sent.
func (c *Conn) result(b *batch, ops nft.Ops) error {
	var first error
	answered := false
	for {
		buf, err := c.receive()
		switch {
		case errors.Is(err, unix.EAGAIN) && (first != nil || answered):
			return first
		case errors.Is(err, unix.EAGAIN):
			return errNoAnswer
		case errors.Is(err, unix.ENOBUFS):
			continue // the first answers are there, the last ones are not
		case err != nil:
			return errors.Join(first, fmt.Errorf("reading the kernel's answer: %w", err))
		}
		for len(buf) >= unix.SizeofNlMsghdr {
			n := int(binary.NativeEndian.Uint32(buf))
			if n < unix.SizeofNlMsghdr || n > len(buf) {
				return errors.Join(first, errShort)
			}
			a, ok := parseAnswer(buf[:n])
			buf = buf[min((n+3)&^3, len(buf)):]
			if !ok || a.seq-b.first > b.last()-b.first {
				continue // it is about an earlier request
			}
			if a.err != nil && first == nil {
				first = b.blame(a, ops)
			}
			answered = answered || a.seq == b.last()
		}
	}
}

// blame is the error about the operation that the answer is about.
func (b *batch) blame(a answer, ops nft.Ops) error {
	e := &OpError{Index: -1, Said: a.said, Err: a.err}
	if a.seq != b.first {
		e.Index = b.ops[a.seq-b.first-1]
		e.Op = ops[e.Index]
	}
	return e
}

// receive reads one datagram. The error is unix.EAGAIN if there is none.
func (c *Conn) receive() ([]byte, error) {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, receiveSize)
	var n int
	var got error
	err = raw.Read(func(fd uintptr) bool {
		n, _, got = unix.Recvfrom(int(fd), buf, 0)
		return got != unix.EINTR
	})
	if err := errors.Join(err, got); err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// answer is what the kernel says of a request.
type answer struct {
	seq  uint32
	err  error // nil: it was done
	said string
}

// parseAnswer reads a message of type NLMSG_ERROR: errno, the request's header (and with it
// its sequence number), and attributes.
func parseAnswer(m []byte) (a answer, ok bool) {
	const errorSize = unix.SizeofNlMsghdr + 4 + unix.SizeofNlMsghdr
	if binary.NativeEndian.Uint16(m[4:]) != unix.NLMSG_ERROR || len(m) < errorSize {
		return a, false
	}
	a.seq = binary.NativeEndian.Uint32(m[unix.SizeofNlMsghdr+4+8:])
	if errno := int32(binary.NativeEndian.Uint32(m[unix.SizeofNlMsghdr:])); errno != 0 {
		a.err = unix.Errno(-errno)
	}
	flags := binary.NativeEndian.Uint16(m[6:])
	if flags&unix.NLM_F_ACK_TLVS == 0 {
		return a, true
	}
	rest := m[errorSize:]
	if flags&unix.NLM_F_CAPPED == 0 {
		n := int(binary.NativeEndian.Uint32(m[unix.SizeofNlMsghdr+4:])) - unix.SizeofNlMsghdr
		rest = rest[min(max((n+3)&^3, 0), len(rest)):]
	}
	_ = each(rest, func(typ uint16, data []byte) {
		if typ == 1 { // NLMSGERR_ATTR_MSG
			a.said = text(data)
		}
	})
	return a, true
}
