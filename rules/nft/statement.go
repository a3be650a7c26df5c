package nft

import "dockwall/rules"

// Rule is a line of a chain: its statements are executed in order until one fails.
type Rule struct {
	Statements Statements `json:"statements"`
	// Comment is the text that nft shows behind the rule; at most MaxComment bytes.
	Comment string `json:"comment,omitempty"`
}

// MaxComment is how many bytes nft takes as a comment (NFTNL_UDATA_COMMENT_MAXLEN, less its
// final zero).
const MaxComment = 127

// Statement is one part of a rule. The sum is closed: AllStatements lists one value of each.
type Statement interface{ statement() string }

// Statements are a rule's parts, in order.
type Statements []Statement

// Test loads a field and compares it. If it fails, the kernel goes on with the next rule.
type Test struct {
	Field Field `json:"field"`
	// Mask, if it is not nil, is applied to the field before it is compared.
	Mask []byte `json:"mask,omitempty"`
	// Not: the bytes must differ from Data.
	Not bool `json:"not,omitempty"`
	// Data is what the field must be. It may be shorter than the field, which must
	// then begin with it. With To it is the lowest value of a range, and To the highest.
	Data []byte `json:"data"`
	To   []byte `json:"to,omitempty"`
}

// Lookup loads fields one behind the other, and looks them up in a set. If they are not
// in there (Not: if they are), the kernel goes on with the next rule.
type Lookup struct {
	Keys []Key  `json:"keys"`
	Set  string `json:"set"`
	Not  bool   `json:"not,omitempty"`
}

// Dispatch looks fields up in a map of verdicts, and does what the element says. Without an
// element the kernel goes on with the next rule.
type Dispatch struct {
	Keys []Key  `json:"keys"`
	Map  string `json:"map"`
}

// Key is a field that is looked up. Its place in the set's key is padded to four bytes.
type Key struct {
	Field Field `json:"field"`
	// Mask, if it is not nil, is applied to the field before it is looked up.
	Mask []byte `json:"mask,omitempty"`
}

// Field is a piece of a packet, or of what the kernel knows of it.
type Field struct {
	From Source `json:"from"`
	// Key is the metadata or conntrack key, as linux/netfilter/nf_tables.h numbers it.
	Key uint32 `json:"key,omitempty"`
	// Offset and Len are bytes in the header.
	Offset uint32 `json:"offset,omitempty"`
	Len    uint32 `json:"len,omitempty"`
	// Original: of a conntrack key that differs by direction, that of the first packet.
	Original bool `json:"original,omitempty"`
}

// Source is what a Field is a part of.
type Source int

// The sources.
const (
	Meta Source = iota
	Conntrack
	LinkHeader
	NetworkHeader
	TransportHeader
)

// The keys in use: NFT_META_* and NFT_CT_*.
const (
	MetaPriority = 2
	MetaIIFName  = 6
	MetaOIFName  = 7
	MetaIIFType  = 8
	MetaNFProto  = 15
	MetaL4Proto  = 16
	// MetaOIFKind is the kernel's name for the kind of link that the packet leaves by
	// (Linux 5.1).
	MetaOIFKind = 27

	CtState     = 0
	CtDirection = 1
	CtStatus    = 2
	// CtProtoDst is the destination port of the direction that Field.Original says.
	CtProtoDst = 12
)

// Count counts the packets that get to it.
type Count struct{}

// Limit goes on for at most Rate packets a second on average, after a burst.
type Limit struct {
	Rate  uint32 `json:"rate"`
	Burst uint32 `json:"burst"`
}

// Log reports the packet to an NFLOG group.
type Log struct {
	Group  uint16 `json:"group"`
	Prefix string `json:"prefix"`
}

// SetPriority sets the packet's priority.
type SetPriority struct {
	Priority uint32 `json:"priority"`
}

// Reject discards the packet with an answer: a reset of the TCP connection, or port
// unreachable in the packet's own family.
type Reject struct {
	Reset bool `json:"reset,omitempty"`
}

// Verdict ends the rule. Kind is Return, Drop, Jump or Goto.
type Verdict struct {
	Kind  rules.VerdictKind `json:"kind"`
	Chain string            `json:"chain,omitempty"`
}

// Foreign is an expression of the kernel's that dockwall never writes: another program
// wrote the rule. It can be read, and not be written.
type Foreign struct {
	Name string `json:"name"`
}

func (Test) statement() string        { return "test" }
func (Lookup) statement() string      { return "lookup" }
func (Dispatch) statement() string    { return "dispatch" }
func (Count) statement() string       { return "count" }
func (Limit) statement() string       { return "limit" }
func (Log) statement() string         { return "log" }
func (SetPriority) statement() string { return "set_priority" }
func (Reject) statement() string      { return "reject" }
func (Verdict) statement() string     { return "verdict" }
func (Foreign) statement() string     { return "foreign" }

// AllStatements returns a value of each type of statement.
func AllStatements() []Statement {
	return []Statement{Test{}, Lookup{}, Dispatch{}, Count{}, Limit{}, Log{}, SetPriority{}, Reject{}, Verdict{}, Foreign{}}
}
