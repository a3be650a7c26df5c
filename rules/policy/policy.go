package policy

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
)

// Policy is the whole document.
type Policy struct {
	// Firewall settings that shape the ruleset.
	DenyWith  DenyWith
	LogDenied bool

	Defaults  Defaults
	Networks  []Network
	Published []*Published
	Direct    []*Direct
	Between   []*Between
	Egress    []*Egress
	Host      []*Host
	DockerAPI *DockerAPI // nil: no block, closed to all sources except loopback
	Swarm     *Swarm     // nil: no block, and Swarm's ports are not judged
	Blocks    []*Block
	Spoofing  []*Spoofing
	// Quarantines are in order of name: the first that holds is the one that is named.
	Quarantines []*Quarantine `json:",omitempty"`

	// Every names block, used or not, for warnings.
	Addresses  []*Addresses
	Interfaces []*Interfaces
	Containers []*Selector
}

// DenyWith says how a packet is refused.
type DenyWith string

// The two ways of refusing.
const (
	DenyDrop   DenyWith = "drop"
	DenyReject DenyWith = "reject"
)

// Action is a default.
type Action string

// The two defaults.
const (
	Allow Action = "allow"
	Deny  Action = "deny"
)

// Defaults is what holds where no policy speaks. Only Direct, DNS and Spoofing may be
// empty, which is Deny, Allow and Allow: policies that were kept by earlier versions do
// not have them.
type Defaults struct {
	Published, Direct, Between, Egress, DNS, Host Action
	// Spoofing is about what containers send, whomever they send it to.
	Spoofing Action `json:",omitempty"`
	Origin   rules.Origin
}

// Network is a network block: the defaults of one Docker network. An empty
// field falls back to Defaults.
type Network struct {
	Name                                          string
	Published, Direct, Between, Egress, DNS, Host Action
	Spoofing                                      Action `json:",omitempty"`
	Origin                                        rules.Origin
}

// Addresses is an addresses block: its cidrs and its file's, in one list.
type Addresses struct {
	Name     string
	Prefixes []netip.Prefix
	Origin   rules.Origin
}

// AddressList is what from, to and except hold.
type AddressList struct {
	// Refs are the addresses blocks that were named.
	Refs []*Addresses
	// Literals are the addresses written in place; "any" is 0.0.0.0/0 and ::/0.
	Literals []netip.Prefix
}

// Any reports whether both families' /0 are in the list.
func (l AddressList) Any() bool { return l.covers(true) && l.covers(false) }

// Prefixes returns the union of the list, masked, sorted, without duplicates.
func (l AddressList) Prefixes() []netip.Prefix {
	if len(l.Refs) == 1 && len(l.Literals) == 0 {
		return l.Refs[0].Prefixes
	}
	var all []netip.Prefix
	for _, r := range l.Refs {
		all = append(all, r.Prefixes...)
	}
	return SortPrefixes(append(all, l.Literals...))
}

// Empty reports whether nothing was written.
func (l AddressList) Empty() bool { return len(l.Refs) == 0 && len(l.Literals) == 0 }

func (l AddressList) covers(v6 bool) bool {
	has := func(ps []netip.Prefix) bool {
		for _, p := range ps {
			if p.Bits() == 0 && p.Addr().Is6() == v6 {
				return true
			}
		}
		return false
	}
	for _, r := range l.Refs {
		if has(r.Prefixes) {
			return true
		}
	}
	return has(l.Literals)
}

// Interfaces is an interfaces block.
type Interfaces struct {
	Name string
	// Names are interface names; a trailing * is a prefix match.
	Names []string
	// Prefixes: also the NICs that now have an address in one of these.
	Prefixes []netip.Prefix
	Origin   rules.Origin
}

// Ports is an inclusive range of ports of one protocol. "53" in the file is
// two of them, tcp and udp. "icmp" is the two of Ping.
type Ports struct {
	Proto  rules.Protocol // TCP, UDP or SCTP; ICMP or ICMPv6 for a ping
	Lo, Hi uint16         // 0 for a ping
}

// Ping returns what "icmp" in the file stands for: echo requests of both families.
func Ping() []Ports { return []Ports{{Proto: netinfo.ICMP}, {Proto: netinfo.ICMPv6}} }

// IsPing reports whether p stands for the echo requests of one family.
func (p Ports) IsPing() bool { return p.Proto == netinfo.ICMP || p.Proto == netinfo.ICMPv6 }

// Contains reports whether the port of the protocol is in the range. Of ICMP it
// is true whatever the type of the message: see Question.IsPing.
func (p Ports) Contains(proto rules.Protocol, port uint16) bool {
	return p.Proto == proto && p.Lo <= port && port <= p.Hi
}

// Published is a published block.
type Published struct {
	Name   string
	To     []*Selector // empty: every container
	Ports  []Ports     // empty: every published port
	From   AddressList
	Except AddressList
	Via    []*Interfaces // empty: any
	Origin rules.Origin
}

// Direct is a direct block. It is about packets that are routed straight to a
// container's own address, past its published ports, or to what lies behind a
// container.
type Direct struct {
	Name string
	// To are the containers whose own addresses are meant, Behind addresses that lie
	// behind a container. Both empty: every one of either.
	To     []*Selector
	Behind AddressList
	Ports  []Ports // the container's own; if empty, every port and protocol
	From   AddressList
	Except AddressList
	Via    []*Interfaces // empty: any
	Origin rules.Origin
}

// Between is a between block.
type Between struct {
	Name   string
	From   []*Selector
	To     []*Selector
	Ports  []Ports // empty: every port and protocol
	Origin rules.Origin
}

// Egress is an egress block.
type Egress struct {
	Name   string
	From   []*Selector // empty: every container
	To     AddressList // empty: nowhere
	Except AddressList
	Ports  []Ports // empty: every port and protocol
	Via    []*Interfaces
	Origin rules.Origin
}

// Host is a host block.
type Host struct {
	Name  string
	From  []*Selector // empty: every container
	Ports []Ports     // empty: every port and protocol, unless NoPorts
	// NoPorts reports whether the block allows nothing: ports = [].
	NoPorts bool `json:",omitempty"`
	Origin  rules.Origin
}

// DockerAPI is the docker_api block.
type DockerAPI struct {
	// Ports are the TCP ports that the block opens; if empty, every port of the API.
	// Ports that are not the API's, such as those of metrics-addr, are judged as
	// it is because they are listed.
	Ports  []Ports
	From   AddressList
	Except AddressList
	Via    []*Interfaces
	// RequireTLS: only ports that are proven to ask for a client's certificate.
	RequireTLS bool
	Origin     rules.Origin
}

// Lists reports whether the block names the port.
func (a *DockerAPI) Lists(proto rules.Protocol, port uint16) bool {
	return a != nil && slices.ContainsFunc(a.Ports, func(p Ports) bool { return p.Contains(proto, port) })
}

// Block is a block block.
type Block struct {
	Name   string
	From   AddressList
	To     AddressList
	Origin rules.Origin
}
