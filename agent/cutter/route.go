package cutter

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// router returns the interface by which the kernel reaches an address. It remembers
// them for the length of one look.
type router struct {
	handle *netlink.Handle
	names  map[int]string
	known  map[netip.Addr]string
}

func newRouter(s netinfo.Snapshot) (*router, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("asking for routes: %w", err)
	}
	r := &router{handle: h, names: map[int]string{}, known: map[netip.Addr]string{}}
	for _, l := range s.Links {
		r.names[l.Index] = l.Name
	}
	return r, nil
}

func (r *router) close() { r.handle.Close() }

// nic is the interface towards the address; false where there is no route to
// it, or none that packets could come in by.
func (r *router) nic(a netip.Addr) (string, bool) {
	name, ok := r.known[a]
	if !ok {
		name = r.ask(a)
		r.known[a] = name
	}
	return name, name != ""
}

func (r *router) ask(a netip.Addr) string {
	routes, err := r.handle.RouteGet(a.AsSlice())
	if err != nil || len(routes) != 1 || routes[0].Type != unix.RTN_UNICAST {
		return ""
	}
	return r.names[routes[0].LinkIndex]
}
