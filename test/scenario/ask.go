package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parseQuestion reads "FROM PROTO TARGET VERDICT". An allow that names no server
// is of the place's own container or client.
func parseQuestion(ws []string) (Ask, Verdict, error) {
	if len(ws) < 4 || len(ws) > 5 {
		return Ask{}, Verdict{}, errors.New("want FROM PROTO TARGET allow [NAME]|deny")
	}
	ask, err := parseAsk(ws[:3])
	if err != nil {
		return Ask{}, Verdict{}, err
	}
	switch {
	case ws[3] == "deny" && len(ws) == 4:
		return ask, Verdict{}, nil
	case ws[3] == "allow" && len(ws) == 5:
		return ask, Verdict{Allow: true, Server: ws[4]}, nil
	case ws[3] == "allow" && ask.Proto != "icmp" && ask.Place.container():
		return ask, Verdict{Allow: true, Server: ask.Place.Name}, nil
	case ws[3] == "allow":
		return ask, Verdict{Allow: true}, nil
	}
	return Ask{}, Verdict{}, fmt.Errorf("%q: want allow [NAME] or deny", strings.Join(ws[3:], " "))
}

// parseAsk reads "FROM PROTO TARGET".
func parseAsk(ws []string) (Ask, error) {
	a := Ask{From: ws[0], Text: strings.Join(ws, " ")}
	switch ws[1] {
	case "tcp4", "tcp6", "udp4", "udp6":
		a.Proto, a.Family = ws[1][:3], int(ws[1][3]-'0')
	case "ping4", "ping6":
		return a.ping(ws[2], int(ws[1][4]-'0'))
	default:
		return Ask{}, fmt.Errorf("protocol %q: want tcp4, tcp6, udp4, udp6, ping4 or ping6", ws[1])
	}
	var err error
	a.Place, err = a.target(ws[2])
	return a, err
}

// ping reads PLACE: a ping has no port.
func (a Ask) ping(s string, family int) (Ask, error) {
	a.Proto, a.Family = "icmp", family
	var err error
	a.Place, err = parsePlace(s, family)
	return a, err
}

// target reads PLACE:PORT and PLACE:NAME/PORT.
func (a *Ask) target(s string) (Place, error) {
	i := strings.LastIndex(s, ":")
	if i <= 0 {
		return Place{}, fmt.Errorf("target %q: want PLACE:PORT", s)
	}
	number := s[i+1:]
	if name, rest, ok := strings.Cut(number, "/"); ok {
		a.PortOf, number = name, rest
	}
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return Place{}, fmt.Errorf("target %q: %w", s, err)
	}
	a.Port = uint16(port)
	return parsePlace(s[:i], a.Family)
}

func parsePlace(s string, family int) (Place, error) {
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		name, network, _ := strings.Cut(s, "@")
		return Place{Name: name, Network: network}, nil
	}
	if addr.Is4() != (family == 4) {
		return Place{}, fmt.Errorf("place %q is not of IPv%d", s, family)
	}
	return Place{Address: addr.String()}, nil
}

// container reports whether the place is not one that every host has.
func (p Place) container() bool {
	switch p.Name {
	case "", "host", "host.lan", "host.local", "gateway", "wan", "wan2", "lan":
		return false
	}
	return true
}
