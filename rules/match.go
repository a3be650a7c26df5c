package rules

import "net/netip"

// Match is one condition of a rule. The sum is closed: the types below are all.
type Match interface{ match() }

// InInterface holds for packets that came in by the interface.
type InInterface struct {
	Name string `json:"name"`
	// Prefix: Name is the beginning of the interface's name ("br-"); an empty
	// Name with Prefix set is every interface.
	Prefix bool `json:"prefix,omitempty"`
	Not    bool `json:"not,omitempty"`
}

// OutInterface holds for packets that leave by the interface (FORWARD only).
type OutInterface struct {
	Name   string `json:"name"`
	Prefix bool   `json:"prefix,omitempty"`
	Not    bool   `json:"not,omitempty"`
}

// Source holds for packets whose source address is in Prefix (masked). It
// makes the rule one of Prefix's family.
type Source struct {
	Prefix netip.Prefix `json:"prefix"`
	Not    bool         `json:"not,omitempty"`
}

// Destination holds for packets whose destination is in Prefix, as the chain
// sees it: after DNAT in FORWARD and INPUT.
type Destination struct {
	Prefix netip.Prefix `json:"prefix"`
	Not    bool         `json:"not,omitempty"`
}

// Proto holds for packets of the protocol. It comes before the matches that
// need one (DestPort, OrigDestPort, ICMPType). ICMP makes the rule one of IPv4,
// ICMPv6 one of IPv6.
type Proto struct {
	Proto Protocol `json:"proto"`
}

// DestPort holds for destination ports Lo to Hi, both inclusive, as the chain
// sees them (after DNAT). It needs a Proto of TCP, UDP or SCTP before it.
type DestPort struct {
	Lo uint16 `json:"lo"`
	Hi uint16 `json:"hi"`
}

// Conn holds by what connection tracking knows of the packet. The fields that
// are set must all hold.
type Conn struct {
	// States: one of these is enough. Empty: any.
	States []ConnState `json:"states,omitempty"`
	// NotStates negates States.
	NotStates bool `json:"not_states,omitempty"`
	// Original: only packets in the direction of the connection's first one.
	Original bool `json:"original,omitempty"`
	// OrigDestLo and OrigDestHi are the destination port before DNAT,
	// inclusive; 0, 0: any. They need a Proto before them.
	OrigDestLo uint16 `json:"orig_dest_lo,omitempty"`
	OrigDestHi uint16 `json:"orig_dest_hi,omitempty"`
}

// ConnState is one of connection tracking's states, spelt as iptables spells it.
type ConnState string

// The states that rules ask for. DNAT is a virtual one: the destination was
// changed.
const (
	StateInvalid     ConnState = "INVALID"
	StateNew         ConnState = "NEW"
	StateRelated     ConnState = "RELATED"
	StateEstablished ConnState = "ESTABLISHED"
	StateDNAT        ConnState = "DNAT"
	// StateUntracked is what connection tracking leaves alone by itself: the
	// ICMPv6 of neighbour discovery and multicast listeners.
	StateUntracked ConnState = "UNTRACKED"
)

// InSet holds for packets whose fields are a member of the set.
type InSet struct {
	// Set is a Set.Name of the ruleset.
	Set string `json:"set"`
	// Dims says for each dimension of the set's type whether the packet's
	// source or destination is looked up.
	Dims []Dim `json:"dims"`
	Not  bool  `json:"not,omitempty"`
}

// Dim is the side of the packet that a set's dimension is compared with.
type Dim string

// The two sides.
const (
	Src Dim = "src"
	Dst Dim = "dst"
)

// Limit holds for at most Rate packets a second on average, after a burst.
type Limit struct {
	Rate  int `json:"rate"`
	Burst int `json:"burst"`
}

// Syn holds for TCP packets that open a connection (SYN set, ACK, RST and FIN
// not). It needs Proto TCP before it. Not negates.
type Syn struct {
	Not bool `json:"not,omitempty"`
}

// ICMPType holds for ICMP and ICMPv6 messages of the type (IANA), whatever their
// code. It needs a Proto of ICMP or ICMPv6 before it. Not negates.
type ICMPType struct {
	Type uint8 `json:"type"`
	Not  bool  `json:"not,omitempty"`
}

// The types that rules distinguish. Those that end in 4 are ICMP messages, all others
// are ICMPv6 messages.
const (
	TypeRedirect4           = 5
	TypeEcho4               = 8
	TypeEcho6               = 128
	TypeRouterAdvertisement = 134
	TypeNeighbourSolicit    = 135
	TypeNeighbourAdvertise  = 136
	TypeRedirect6           = 137
)

// SourceMAC holds for packets that came from this Ethernet address, written
// as iptables-save writes it: two upper or lower case hex digits, colons.
type SourceMAC struct {
	MAC string `json:"mac"`
	Not bool   `json:"not,omitempty"`
}

// InBridgePort holds for bridged packets that came in by this port of a bridge
// (physdev; bridge-nf-call-iptables must be on).
type InBridgePort struct {
	Name string `json:"name"`
	Not  bool   `json:"not,omitempty"`
}

// Confirmed holds for packets of a connection that has left the host or reached a
// socket before, and so not for its first packet. Only the latch has it.
type Confirmed struct{}

// Stamped holds for packets that bear the mark of Stamp. Only the latch has it.
type Stamped struct{}

// OutBridge holds for packets that leave by a bridge, whatever its name. Only the
// latch has it.
type OutBridge struct{}

func (InInterface) match()  {}
func (OutInterface) match() {}
func (Source) match()       {}
func (Destination) match()  {}
func (Proto) match()        {}
func (DestPort) match()     {}
func (Conn) match()         {}
func (InSet) match()        {}
func (Limit) match()        {}
func (Syn) match()          {}
func (ICMPType) match()     {}
func (SourceMAC) match()    {}
func (InBridgePort) match() {}
func (Confirmed) match()    {}
func (Stamped) match()      {}
func (OutBridge) match()    {}

// Matches lists one value of every type of the sum, for the tests that check
// that none is forgotten.
func Matches() []Match { return append(PolicyMatches(), LatchMatches()...) }

// PolicyMatches are those that every backend renders, for a compiled policy.
func PolicyMatches() []Match {
	return []Match{InInterface{}, OutInterface{}, Source{}, Destination{}, Proto{}, DestPort{}, Conn{},
		InSet{}, Limit{}, Syn{}, ICMPType{}, SourceMAC{}, InBridgePort{}}
}

// LatchMatches are those that stand in chains of the latch alone, because iptables
// has no match for a packet's priority or for the kind of an interface.
func LatchMatches() []Match { return []Match{Confirmed{}, Stamped{}, OutBridge{}} }
