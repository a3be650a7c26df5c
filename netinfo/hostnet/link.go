package hostnet

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"dockwall/netinfo"
)

// dumpTries is how often an interrupted dump is asked for again. Each try
// takes about a millisecond; a host whose links change faster than that for so
// long is told as an error, and asked again by the caller's next pass.
const dumpTries = 10

// Links lists the interfaces of this network namespace with their addresses,
// both families, link-local ones included, sorted by name. Links and addresses
// are two questions to the kernel; what changes between them is told by Watch.
func Links() ([]netinfo.Link, error) {
	links, _, err := LinksAndVeths()
	return links, err
}

// LinksAndVeths is Links, and those of the links that are one end of a veth whose
// other end is in another network namespace.
func LinksAndVeths() ([]netinfo.Link, []Veth, error) {
	addrs, err := dump("addresses", func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, nil, err
	}
	found, err := dump("links", netlink.LinkList)
	if err != nil {
		return nil, nil, err
	}
	var veths []Veth
	links := make([]netinfo.Link, 0, len(found))
	place := make(map[int]int, len(found))
	for _, l := range found {
		place[l.Attrs().Index] = len(links)
		links = append(links, link(l))
		if v, ok := veth(l.Attrs(), l.Type()); ok {
			veths = append(veths, v)
		}
	}
	for _, a := range addrs {
		i, ok := place[a.LinkIndex]
		if p := prefix(a.IPNet); ok && p.IsValid() {
			links[i].Addrs = append(links[i].Addrs, p)
		}
	}
	sortLinks(links)
	return links, veths, nil
}

func link(l netlink.Link) netinfo.Link {
	a := l.Attrs()
	return netinfo.Link{
		Index: a.Index, Name: a.Name, Kind: kind(l.Type()),
		Master: a.MasterIndex, Up: a.Flags&net.FlagUp != 0,
	}
}

// kind gives the kernel's word where the netlink library has its own.
func kind(libraryType string) string {
	switch libraryType {
	case "device":
		return ""
	case "tuntap":
		return "tun"
	}
	return libraryType
}

func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr, ones)
}

func sortLinks(links []netinfo.Link) {
	for i := range links {
		slices.SortFunc(links[i].Addrs, func(a, b netip.Prefix) int {
			return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
		})
	}
	slices.SortFunc(links, func(a, b netinfo.Link) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Index, b.Index))
	})
}

// dump runs list until the kernel says that it answered from one state.
func dump[T any](what string, list func() ([]T, error)) ([]T, error) {
	var err error
	for range dumpTries {
		var all []T
		if all, err = list(); err == nil {
			return all, nil
		}
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return nil, fmt.Errorf("listing %s: %w", what, err)
}
