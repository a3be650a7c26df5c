package hostnet

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Neighbor is an address that was seen in use on a link.
type Neighbor struct {
	Link int
	Addr netip.Addr
	// MAC is as the engine prints it: 02:42:ac:11:00:02.
	MAC string
	// Port is the bridge port that a packet from the address came in by; 0 if not known.
	Port int
}

// ndmsgSize is the size of struct ndmsg, which begins every neighbour message:
// family, padding, ifindex, state, flags, type.
const ndmsgSize = 12

// usable are the states of an entry whose address answers.
const usable = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT

// Neighbors lists the IPv4 and IPv6 neighbours of every link.
func Neighbors() ([]Neighbor, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var all []Neighbor
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		msgs, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.RTM_GETNEIGH, Flags: netlink.Request | netlink.Dump},
			Data:   append([]byte{family}, make([]byte, ndmsgSize-1)...),
		})
		if err != nil {
			return nil, err
		}
		for _, m := range msgs {
			if n, ok := parseNeighbor(m); ok {
				all = append(all, n)
			}
		}
	}
	return all, nil
}

// WatchNeighbors calls notify for every neighbour that the kernel learns or
// sees again, until ctx ends; opened is called at the beginning and whenever
// something may have been missed. Both are called on the calling goroutine.
func WatchNeighbors(ctx context.Context, opened func(), notify func(Neighbor), onError func(error)) {
	subscription{
		what: "changes of neighbours",
		open: func() (*netlink.Conn, error) {
			conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
			if err != nil {
				return nil, err
			}
			return conn, errors.Join(conn.SetReadBuffer(watchBuffer), conn.JoinGroup(unix.RTNLGRP_NEIGH))
		},
		opened: opened,
		received: func(m netlink.Message) {
			if n, ok := parseNeighbor(m); ok {
				notify(n)
			}
		},
	}.run(ctx, onError)
}

func parseNeighbor(m netlink.Message) (Neighbor, bool) {
	if m.Header.Type != unix.RTM_NEWNEIGH || len(m.Data) < ndmsgSize {
		return Neighbor{}, false
	}
	family, state := m.Data[0], binary.NativeEndian.Uint16(m.Data[8:])
	if family != unix.AF_INET && family != unix.AF_INET6 || state&usable == 0 {
		return Neighbor{}, false
	}
	n := Neighbor{Link: int(int32(binary.NativeEndian.Uint32(m.Data[4:])))}
	ad, err := netlink.NewAttributeDecoder(m.Data[ndmsgSize:])
	if err != nil {
		return Neighbor{}, false
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NDA_DST:
			n.Addr, _ = netip.AddrFromSlice(ad.Bytes())
		case unix.NDA_LLADDR:
			n.MAC = net.HardwareAddr(ad.Bytes()).String()
		}
	}
	return n, ad.Err() == nil && n.Addr.IsValid() && n.MAC != ""
}
