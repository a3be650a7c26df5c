package hostnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Route is one next hop of a unicast route.
type Route struct {
	// Prefix has no host bits; length 0: a default route.
	Prefix netip.Prefix
	// Link is the ifindex of the interface; 0 if the kernel does not name it.
	Link int
	// Gateway is invalid if the prefix is on the link.
	Gateway netip.Addr
	// Table is the routing table; RT_TABLE_MAIN (254) is the usual one.
	Table int
}

// Main reports whether the route is in the main table.
func (r Route) Main() bool { return r.Table == unix.RT_TABLE_MAIN }

// rtmsgSize is the size of struct rtmsg, which begins every message of a route:
// family, length of destination and source, TOS, table, protocol, scope, type, flags.
const rtmsgSize = 12

// RoutesBy returns the unicast routes by the link in every routing table, of both
// families; none if there is no such link. Linux 4.20 and later send only these
// routes, so a host with thousands of others pays little.
func RoutesBy(link int) ([]Route, error) { return listRoutes(link) }

// AllRoutes returns the unicast routes by every link.
func AllRoutes() ([]Route, error) { return listRoutes(0) }

func listRoutes(link int) ([]Route, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("listing routes: %w", err)
	}
	defer conn.Close()
	// Older kernels have no such option and send every route.
	_ = conn.SetOption(netlink.GetStrictCheck, true)
	var all []Route
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		found, err := dumpRoutes(conn, family, link)
		if err != nil {
			return nil, fmt.Errorf("listing routes: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// dumpRoutes lists the routes of one family by one link, or by every link (0).
func dumpRoutes(conn *netlink.Conn, family byte, link int) ([]Route, error) {
	data := make([]byte, rtmsgSize)
	data[0], data[7] = family, unix.RTN_UNICAST
	if link != 0 {
		data = binary.NativeEndian.AppendUint16(data, 8)
		data = binary.NativeEndian.AppendUint16(data, unix.RTA_OIF)
		data = binary.NativeEndian.AppendUint32(data, uint32(link))
	}
	request := netlink.Message{Header: netlink.Header{Type: unix.RTM_GETROUTE, Flags: netlink.Request | netlink.Dump}, Data: data}
	for range dumpTries {
		answers, err := conn.Execute(request)
		if errors.Is(err, unix.ENODEV) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var all []Route
		interrupted := false
		for _, m := range answers {
			interrupted = interrupted || m.Header.Flags&netlink.DumpInterrupted != 0
			all = append(all, parseRoute(m, link)...)
		}
		if !interrupted {
			return all, nil
		}
	}
	return nil, errors.New("the routes change too fast")
}

// WatchRoutes calls notify with each next hop of a unicast route that is added,
// changed or removed, until ctx ends. The kernel does not announce IPv4 routes that
// go because their link or its address goes. opened is called at the beginning and
// whenever something may have been missed. Both are called on the calling goroutine.
func WatchRoutes(ctx context.Context, opened func(), notify func(Route), onError func(error)) {
	subscription{
		what: "changes of routes",
		open: func() (*netlink.Conn, error) {
			conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
			if err != nil {
				return nil, err
			}
			err = errors.Join(conn.SetReadBuffer(watchBuffer), conn.JoinGroup(unix.RTNLGRP_IPV4_ROUTE), conn.JoinGroup(unix.RTNLGRP_IPV6_ROUTE))
			if err != nil {
				conn.Close()
				return nil, err
			}
			return conn, nil
		},
		opened: opened,
		received: func(m netlink.Message) {
			for _, r := range parseRoute(m, 0) {
				notify(r)
			}
		},
	}.run(ctx, onError)
}

// parseRoute returns the next hops by the link, or by every link (0), of a message
// about a unicast route.
func parseRoute(m netlink.Message, link int) []Route {
	if m.Header.Type != unix.RTM_NEWROUTE && m.Header.Type != unix.RTM_DELROUTE || len(m.Data) < rtmsgSize || m.Data[7] != unix.RTN_UNICAST {
		return nil
	}
	r := Route{Table: int(m.Data[4])}
	dst := netip.IPv6Unspecified()
	if m.Data[0] == unix.AF_INET {
		dst = netip.IPv4Unspecified()
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[rtmsgSize:])
	if err != nil {
		return nil
	}
	var hops []Route
	for ad.Next() {
		switch ad.Type() {
		case unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(ad.Bytes())
		case unix.RTA_TABLE:
			r.Table = int(ad.Uint32())
		case unix.RTA_OIF:
			r.Link = int(ad.Uint32())
		case unix.RTA_GATEWAY, unix.RTA_VIA:
			r.Gateway = gateway(ad.Type(), ad.Bytes())
		case unix.RTA_MULTIPATH:
			hops = parseHops(ad.Bytes())
		}
	}
	if ad.Err() != nil || !dst.IsValid() {
		return nil
	}
	if hops == nil {
		hops = []Route{r}
	}
	var found []Route
	for _, h := range hops {
		h.Prefix, h.Table = netip.PrefixFrom(dst, int(m.Data[1])).Masked(), r.Table
		if link == 0 || h.Link == link {
			found = append(found, h)
		}
	}
	return found
}

// rtnexthopSize is the size of struct rtnexthop: length, flags, hops, ifindex.
const rtnexthopSize = 8

// parseHops reads the next hops of a multipath route.
func parseHops(b []byte) []Route {
	hops := []Route{}
	for len(b) >= rtnexthopSize {
		n := int(binary.NativeEndian.Uint16(b))
		if n < rtnexthopSize || n > len(b) {
			break
		}
		h := Route{Link: int(binary.NativeEndian.Uint32(b[4:]))}
		if ad, err := netlink.NewAttributeDecoder(b[rtnexthopSize:n]); err == nil {
			for ad.Next() {
				if ad.Type() == unix.RTA_GATEWAY || ad.Type() == unix.RTA_VIA {
					h.Gateway = gateway(ad.Type(), ad.Bytes())
				}
			}
		}
		hops = append(hops, h)
		b = b[min((n+3)&^3, len(b)):]
	}
	return hops
}

// gateway reads an address of the route's own family (RTA_GATEWAY), or one that
// two bytes say the family of (RTA_VIA).
func gateway(kind uint16, b []byte) netip.Addr {
	if kind == unix.RTA_VIA && len(b) > 2 {
		b = b[2:]
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
