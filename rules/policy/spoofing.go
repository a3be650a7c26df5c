package policy

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
)

// Spoofing is a spoofing block: what containers may send from besides their own
// addresses, where spoofing is denied.
type Spoofing struct {
	Name string
	Of   []*Selector
	// Addresses are further IP addresses, MACs further Ethernet addresses. A container
	// may send from each of its IP addresses with each of its Ethernet addresses.
	Addresses AddressList
	MACs      []rules.MAC
	Origin    rules.Origin
}

func (b *Spoofing) entry() Entry {
	return Entry{Kind: rules.KindSpoofing, Name: b.Name, Origin: b.Origin, From: Side{Containers: &b.Of}, To: Side{Addresses: &b.Addresses}}
}

// Names reports whether the block is for the container's addresses on the network of this
// name.
func (b *Spoofing) Names(c netinfo.Container, network string) bool {
	return slices.ContainsFunc(b.Of, func(s *Selector) bool { return s.Match(c) && s.OnNetwork(network) })
}
