package nftables

import (
	"encoding/binary"
	"fmt"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/nft"
)

const (
	nameSize = 16 // IFNAMSIZ
	// The offsets of the source in the headers of IPv4 and IPv6, and of the destination port.
	source4, source6 = 12, 8
	destPort         = 2
)

// states are the bits of NFT_CT_STATE.
var states = map[rules.ConnState]uint32{rules.StateInvalid: nft.StateInvalid, rules.StateEstablished: nft.StateEstablished,
	rules.StateRelated: nft.StateRelated, rules.StateNew: nft.StateNew, rules.StateUntracked: nft.StateUntracked}

// Match renders a match of the latch as the statements that hold for the same packets. The
// error names a match that the latch does not have.
func Match(m rules.Match) (nft.Statements, error) {
	switch m.(type) {
	case rules.OutBridge:
		return nft.Statements{nft.Test{Field: nft.Field{Key: nft.MetaOIFKind}, Data: padded("bridge")}}, nil
	case rules.Confirmed:
		return nft.Statements{nft.Test{Field: ctStatus, Mask: word(nft.StatusConfirmed), Not: true, Data: word(0)}}, nil
	case rules.Stamped:
		return nft.Statements{nft.Test{Field: nft.Field{Key: nft.MetaPriority}, Data: word(rules.StampClass)}}, nil
	}
	if !latchHas(m) {
		return nil, fmt.Errorf("%T%+v cannot be written for nftables", m, m)
	}
	ways, err := new(writer).ways(m, 0, false)
	if err != nil {
		return nil, err
	}
	return ways[0].statements(), nil // each of these holds in one way
}

// latchHas reports whether the match is one of those that the latch shares with policies.
func latchHas(m rules.Match) bool {
	switch m := m.(type) {
	case rules.InInterface:
		return !m.Not
	case rules.OutInterface:
		return !m.Not
	case rules.Source:
		return !m.Not
	case rules.Proto:
		return m.Proto == netinfo.TCP
	case rules.DestPort:
		return true
	case rules.Conn:
		unknown := slices.ContainsFunc(m.States, func(s rules.ConnState) bool { return states[s] == 0 })
		return len(m.States) > 0 && !unknown && !m.Original && m.OrigDestLo == 0 && m.OrigDestHi == 0
	}
	return false
}

// padded is a name as the kernel holds it in a register.
func padded(name string) []byte {
	b := make([]byte, nameSize)
	copy(b, name)
	return b
}

// word is in the byte order of the kernel's registers.
func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
