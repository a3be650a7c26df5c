package netinfo

import "fmt"

// Protocol is an IP protocol number (IANA). 0 stands for every protocol.
type Protocol uint8

// The protocols that Docker can publish ports of, ICMP, and ESP, which encrypts what the
// nodes of a Swarm send each other.
const (
	AnyProtocol Protocol = 0
	ICMP        Protocol = 1
	TCP         Protocol = 6
	UDP         Protocol = 17
	ESP         Protocol = 50
	ICMPv6      Protocol = 58
	SCTP        Protocol = 132
)

var protocolNames = []struct {
	p    Protocol
	name string
}{{AnyProtocol, "any"}, {ICMP, "icmp"}, {TCP, "tcp"}, {UDP, "udp"}, {ESP, "esp"}, {ICMPv6, "ipv6-icmp"}, {SCTP, "sctp"}}

// String gives iptables' name of the protocol, or its number.
func (p Protocol) String() string {
	for _, e := range protocolNames {
		if e.p == p {
			return e.name
		}
	}
	return fmt.Sprint(uint8(p))
}

// ParseProtocol reads "tcp", "udp", "sctp", "icmp", "ipv6-icmp", "esp".
func ParseProtocol(s string) (Protocol, error) {
	for _, e := range protocolNames {
		if e.name == s && e.p != AnyProtocol {
			return e.p, nil
		}
	}
	return 0, fmt.Errorf("unknown protocol %q", s)
}

// MarshalText writes the name.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name.
func (p *Protocol) UnmarshalText(b []byte) error {
	q, err := ParseProtocol(string(b))
	if err != nil {
		return err
	}
	*p = q
	return nil
}
