package nft

// Table is a table of family inet.
type Table struct {
	Name   string
	Sets   []Set
	Chains []Chain
	// Dormant: another program set the flag that switches all its chains off. AddTable
	// clears it.
	Dormant bool
}

// Chain is a list of rules.
type Chain struct {
	Name string `json:"name"`
	// Hook is where packets enter; nil if they come from other chains only.
	Hook  *Hook  `json:"hook,omitempty"`
	Rules []Rule `json:"rules,omitempty"`
	// Odd: another program gave it what dockwall never writes, such as a type other than
	// filter or a policy of drop. It must be deleted and made again.
	Odd bool `json:"-"`
}

// Hook is where the kernel calls a chain. Its policy is accept.
type Hook struct {
	Point    Point `json:"point"`
	Priority int32 `json:"priority"`
}

// Point is a point in the way of a packet; the numbers are NF_INET_*.
type Point uint32

// The points.
const (
	Prerouting Point = 0
	Input      Point = 1
	Forward    Point = 2
	Output     Point = 3
)

// Set is a set, or with Map a map of verdicts.
type Set struct {
	Name string `json:"name"`
	// Key are the types of what a lookup loads, in order.
	Key []KeyType `json:"key"`
	Map bool      `json:"map,omitempty"`
	// Interval: elements are ranges. Only sets whose key has several parts have it here
	// (pipapo): a set of prefixes is one set for each length instead, because the kernel's
	// interval sets are slow above some ten thousand elements.
	Interval bool `json:"interval,omitempty"`
	// Size is how many elements the set can hold. 0: any number.
	Size uint32 `json:"size,omitempty"`
	// Comment is the text that nft shows in the set; at most MaxComment bytes.
	Comment  string    `json:"comment,omitempty"`
	Elements []Element `json:"elements,omitempty"`
	// Odd: it is of a kind that dockwall never writes, such as one with timeouts or a key of
	// another type. It must be deleted and made again.
	Odd bool `json:"-"`
}

// KeyType is a part of a key; the words are nft's.
type KeyType string

// The types in use.
const (
	IPv4Addr    KeyType = "ipv4_addr"
	IPv6Addr    KeyType = "ipv6_addr"
	InetProto   KeyType = "inet_proto"
	InetService KeyType = "inet_service"
	IfName      KeyType = "ifname"
)

// Bytes is the size of the part, without the padding to four bytes.
func (t KeyType) Bytes() int {
	switch t {
	case IPv4Addr:
		return 4
	case IPv6Addr, IfName:
		return 16
	case InetProto:
		return 1
	case InetService:
		return 2
	}
	return 0
}

// Element is one entry of a set.
type Element struct {
	// Key are the parts one behind the other, each padded to four bytes with zeros behind
	// it if there are several.
	Key []byte `json:"key"`
	// End is the last key of a range in an interval set, of which Key is the first.
	End []byte `json:"end,omitempty"`
	// Verdict is what a map says.
	Verdict *Verdict `json:"verdict,omitempty"`
}
