package rules

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// MAC is an Ethernet address.
type MAC [6]byte

// ParseMAC reads 02:42:ac:11:00:02, as the engine prints it.
func ParseMAC(text string) (MAC, error) {
	parts := strings.Split(text, ":")
	var m MAC
	for i, p := range parts {
		b, err := hex.DecodeString(p)
		if len(parts) != len(m) || err != nil || len(b) != 1 {
			return MAC{}, fmt.Errorf("%q is no Ethernet address", text)
		}
		m[i] = b[0]
	}
	return m, nil
}

// String is 02:42:ac:11:00:02.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Compare orders Ethernet addresses by their bytes.
func (m MAC) Compare(o MAC) int { return bytes.Compare(m[:], o[:]) }

// Group reports whether the address is that of a group, which nothing sends from.
func (m MAC) Group() bool { return m[0]&1 != 0 }

// MarshalText is String.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMAC.
func (m *MAC) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMAC(string(text))
	return err
}

// Identifier returns the interface identifier that stateless autoconfiguration makes of
// the address (RFC 4291, appendix A), as an address whose first 64 bits are zero.
func (m MAC) Identifier() netip.Addr {
	return netip.AddrFrom16([16]byte{8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// Identifies reports whether the address has the identifier that stateless
// autoconfiguration makes of m. Whatever its prefix is, it belongs to no other host.
func (m MAC) Identifies(a netip.Addr) bool {
	id, have := m.Identifier().As16(), a.As16()
	return a.Is6() && !a.Is4In6() && bytes.Equal(have[8:], id[8:])
}
