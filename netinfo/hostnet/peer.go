package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// stateEstablished is TCP's, of net/tcp_states.h.
const stateEstablished = 1

// Peer is a host that has, or had a moment ago, a TCP connection with this host.
type Peer struct {
	// Local is the address and port that he dialled.
	Local  netip.AddrPort
	Remote netip.Addr
}

// Peers returns the hosts that have connections to these TCP ports in this network
// namespace now, by its sockets, and those that had some within the last two minutes
// or so, by connection tracking where it is there; sorted. What connection
// tracking knows includes connections from this host to the same port
// elsewhere: the caller knows which addresses are the host's. With an error
// comes what could be found.
func Peers(ports []uint16) ([]Peer, error) {
	var all []Peer
	var errs []error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		found, err := dumpSockets(family, netinfo.TCP, 1<<stateEstablished|1<<stateTimeWait)
		if err != nil {
			errs = append(errs, fmt.Errorf("listing connections: %w", err))
		}
		for _, s := range found {
			if slices.Contains(ports, s.local.Port()) {
				all = append(all, Peer{s.local, s.remote.Addr()})
			}
		}
	}
	for _, family := range []int{4, 6} {
		errs = append(errs, EachFlow(family, func(f Flow) {
			if p, ok := f.peer(ports); ok {
				all = append(all, p)
			}
		}))
	}
	slices.SortFunc(all, func(a, b Peer) int {
		if c := a.Remote.Compare(b.Remote); c != 0 {
			return c
		}
		return a.Local.Compare(b.Local)
	})
	return slices.Compact(all), errors.Join(errs...)
}

// peer reads a flow as a connection that was established to one of the ports,
// and not to a container's.
func (f Flow) peer(ports []uint16) (Peer, bool) {
	ok := f.Proto == netinfo.TCP && f.Assured() && !f.DestNATed() && !f.TCP.Midstream && slices.Contains(ports, f.Original.DstPort)
	return Peer{netip.AddrPortFrom(f.Original.Dst, f.Original.DstPort), f.Original.Src}, ok
}
