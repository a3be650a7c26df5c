package conntrack

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/netinfo/hostnet/ctattr"
)

// frozenFor is how many seconds a frozen entry stays: the kernel's own time for
// an established connection. A server with nothing to say may be silent for
// long, and with the entry gone its next packet would be the first of a new
// connection.
const frozenFor = 5 * 24 * 60 * 60

// Freeze makes a forwarded TCP connection useless without taking its
// entry away: the kernel is told that no SYN was answered yet. What the side
// that opened it sends is then INVALID, and neither translated nor
// established; what the other side sends is never acknowledged. A SYN of the
// same addresses is ESTABLISHED still: the rules must decide about SYNs by themselves,
// or what is left of the connection that was cut lets it in. An entry that is
// gone already is no error.
//
// After Delete a packet of the answering side would make a new entry, in
// the wrong direction, by which the connection can go on.
func (t *Table) Freeze(f hostnet.Flow) error {
	if f.Proto != netinfo.TCP {
		return fmt.Errorf("freezing a connection: it is %v, not TCP", f.Proto)
	}
	attrs, err := frozen(f)
	if err != nil {
		return fmt.Errorf("freezing a connection: %w", err)
	}
	err = t.change(ctNew, 0, f, attrs)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("freezing a connection: %w", err)
	}
	return nil
}

// frozen is the entry's key and what it becomes.
func frozen(f hostnet.Flow) ([]byte, error) {
	which, err := key(f)
	if err != nil {
		return nil, err
	}
	ae := newEncoder()
	ae.Uint32(ctattr.Timeout, frozenFor)
	ae.Nested(ctattr.ProtoInfo, func(ae *netlink.AttributeEncoder) error {
		ae.Nested(ctattr.InfoTCP, func(ae *netlink.AttributeEncoder) error {
			ae.Uint8(ctattr.TCPState, uint8(hostnet.TCPSynSent))
			return nil
		})
		return nil
	})
	become, err := ae.Encode()
	return append(which, become...), err
}
