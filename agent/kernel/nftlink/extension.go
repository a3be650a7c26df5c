package nftlink

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// The parts of the protocol by which iptables-nft asks for extensions
// (linux/netfilter/nf_tables_compat.h).
const (
	compatGet  = unix.NFNL_SUBSYS_NFT_COMPAT << 8 // NFNL_MSG_COMPAT_GET
	compatName = 1                                // NFTA_COMPAT_NAME
	compatRev  = 2                                // NFTA_COMPAT_REV
	compatType = 3                                // NFTA_COMPAT_TYPE: 0 is a match
)

// LacksMatch reports whether the kernel has no such match of iptables in this revision or a
// later one, or none at all for iptables-nft. The kernel loads the module, as it does for a
// rule. An answer that does not say so counts as false.
func (c *Conn) LacksMatch(name string, revision uint32) bool {
	var w writer
	w.b = binary.NativeEndian.AppendUint32(w.b, 0)
	w.b = binary.NativeEndian.AppendUint16(w.b, compatGet)
	w.b = binary.NativeEndian.AppendUint16(w.b, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	w.b = binary.NativeEndian.AppendUint32(w.b, c.seq)
	w.b = append(binary.NativeEndian.AppendUint32(w.b, 0), unix.NFPROTO_IPV4, unix.NFNETLINK_V0, 0, 0)
	w.text(compatName, name)
	w.u32(compatRev, revision)
	w.u32(compatType, 0)
	binary.NativeEndian.PutUint32(w.b, uint32(len(w.b)))
	seq := c.seq
	c.seq++
	if c.send(w.b) != nil {
		return false
	}
	lacks := false
	for {
		buf, err := c.receive()
		if err != nil {
			return lacks // no more answers
		}
		a, ok := parseAnswer(buf)
		if ok && a.seq == seq && (errors.Is(a.err, unix.ENOENT) || errors.Is(a.err, unix.EPROTONOSUPPORT) || errors.Is(a.err, unix.EPROTOTYPE)) {
			lacks = true
		}
	}
}
