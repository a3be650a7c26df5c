package netinfo

import "cmp"

// Route is a route of this host: packets to the prefix leave by the link.
type Route struct {
	// Prefix has no host bits.
	Prefix Prefix `json:"prefix"`
	// Link is the name of the interface.
	Link string `json:"link"`
	// Gateway is the address of the next hop; invalid: the prefix is on the link.
	Gateway Addr `json:"gateway,omitzero"`
}

// Compare orders routes by prefix, link and gateway.
func (r Route) Compare(o Route) int {
	return cmp.Or(r.Prefix.Compare(o.Prefix), cmp.Compare(r.Link, o.Link), r.Gateway.Compare(o.Gateway))
}
