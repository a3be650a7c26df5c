// Package ctattr names the netlink attributes of an entry of connection tracking, as
// nfnetlink_conntrack.h numbers them.
//
// It is for the two packages that speak of entries: netinfo/hostnet, which reads them,
// and agent/conntrack, which writes them. It is not for their meaning.
//
// Invariants:
//
//  1. Constants only; the numbers are the kernel's ABI and never change.
//
// Thread safety: nothing here changes.
package ctattr

// Of an entry (CTA_*).
const (
	TupleOrig  = 1
	TupleReply = 2
	Status     = 3
	ProtoInfo  = 4
	NATSource  = 6
	Timeout    = 7
	Mark       = 8
	ID         = 12
	Zone       = 18
)

// Of a tuple (CTA_TUPLE_*), of its addresses (CTA_IP_*) and its protocol (CTA_PROTO_*).
const (
	TupleIP    = 1
	TupleProto = 2

	Src4 = 1
	Dst4 = 2
	Src6 = 3
	Dst6 = 4

	ProtoNum  = 1
	SrcPort   = 2
	DstPort   = 3
	ICMP4ID   = 4
	ICMP4Type = 5
	ICMP4Code = 6
	ICMP6ID   = 7
	ICMP6Type = 8
	ICMP6Code = 9
)

// Of what the protocol knows (CTA_PROTOINFO_*).
const (
	InfoTCP     = 1
	TCPState    = 1
	TCPFlagsOut = 4 // of the original direction
)

// Of a translation (CTA_NAT_*, CTA_PROTONAT_*).
const (
	NATMin4    = 1
	NATMax4    = 2
	NATProto   = 3
	NATMin6    = 4
	NATMax6    = 5
	NATPortMin = 1
	NATPortMax = 2
)
