package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The parts of ipset's netlink protocol (linux/netfilter/ipset/ip_set.h) that
// listing headers needs. Protocol 6 is spoken by every kernel in use.
const (
	ipsetSubsystem  = 6 // NFNL_SUBSYS_IPSET
	ipsetListHeader = 1 << 2
	ipsetTimeout    = 5 * time.Second
)

// setHeader is what the kernel says of a set without listing its members.
type setHeader struct {
	name     string
	elements uint32
}

// setHeaders asks for the headers of all sets, in one dump that costs the same
// whatever they hold, and starts no process.
func setHeaders() ([]setHeader, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for the sets: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(ipsetTimeout)); err != nil {
		return nil, fmt.Errorf("asking for the sets: %w", err)
	}
	ae := netlink.NewAttributeEncoder()
	ae.Uint8(nl.IPSET_ATTR_PROTOCOL, nl.IPSET_PROTOCOL)
	ae.ByteOrder = binary.BigEndian
	ae.Uint32(nl.IPSET_ATTR_FLAGS, ipsetListHeader)
	attrs, err := ae.Encode()
	if err != nil {
		return nil, fmt.Errorf("asking for the sets: %w", err)
	}
	msgs, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(ipsetSubsystem<<8 | nl.IPSET_CMD_LIST), Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, attrs...),
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil // a kernel without ipset has no sets
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the sets: %w", err)
	}
	var hs []setHeader
	for _, m := range msgs {
		h, err := parseSetHeader(m.Data)
		if err != nil {
			return nil, fmt.Errorf("asking for the sets: %w", err)
		}
		if h.name != "" {
			hs = append(hs, h)
		}
	}
	return hs, nil
}

func parseSetHeader(b []byte) (setHeader, error) {
	var h setHeader
	if len(b) < 4 {
		return h, errors.New("a message too short to be one of ipset's")
	}
	ad, err := netlink.NewAttributeDecoder(b[4:])
	if err != nil {
		return h, err
	}
	for ad.Next() {
		switch ad.Type() {
		case nl.IPSET_ATTR_SETNAME:
			h.name = ad.String()
		case nl.IPSET_ATTR_DATA:
			ad.Nested(func(d *netlink.AttributeDecoder) error {
				d.ByteOrder = binary.BigEndian
				for d.Next() {
					if d.Type() == nl.IPSET_ATTR_ELEMENTS {
						h.elements = d.Uint32()
					}
				}
				return nil
			})
		}
	}
	return h, ad.Err()
}
