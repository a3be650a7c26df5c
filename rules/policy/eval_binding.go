package policy

import (
	"net/netip"

	"dockwall/netinfo"
	"dockwall/rules/published"
)

// publishedAt returns the claims on the dialled host address and port: those of
// containers that have it now, and those of containers that may get it.
func publishedAt(s netinfo.Snapshot, q Question) (running, stopped []published.Claim) {
	a := published.At(&s, q.Proto, netip.AddrPortFrom(q.Dest, q.Port))
	return a.Now, a.Later
}

// placesBehind returns the places behind the claim; one with no network if none
// is known.
func placesBehind(s netinfo.Snapshot, c published.Claim) []Place {
	var all []Place
	for _, at := range published.Gateways(&s, c.Container) {
		all = append(all, place(at.Network, c.Container))
	}
	if len(all) == 0 {
		all = []Place{{Kind: OnBridge, Container: c.Container}}
	}
	return all
}
