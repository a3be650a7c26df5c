package rules

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"

	"dockwall/netinfo"
)

// hasPorts says whether the protocol is one whose ports rules and sets look at.
func hasPorts(p Protocol) bool { return p == netinfo.TCP || p == netinfo.UDP || p == netinfo.SCTP }

func hasMatch[M Match](r Rule) bool {
	return slices.ContainsFunc(r.Match, func(m Match) bool { _, ok := m.(M); return ok })
}

// once: one rule line holds one of each match, sets and connection tracking
// excepted.
func once(r Rule) error {
	seen := map[reflect.Type]bool{}
	for _, m := range r.Match {
		switch m.(type) {
		case nil:
			return errors.New("an empty match")
		case InSet, Conn:
			continue
		}
		t := reflect.TypeOf(m)
		if seen[t] {
			return fmt.Errorf("two %s in one rule", t.Name())
		}
		seen[t] = true
	}
	return nil
}

// families refuses a rule with addresses, or protocols, of both families: it
// would be written for neither.
func (v *validator) families(r Rule) error {
	if r.InFamily(4) || r.InFamily(6) {
		return nil
	}
	return errors.New("addresses of both families in one rule")
}

// InFamily reports whether the rule is written for the family, 4 or 6: every
// address in it is of that family, and ICMP is IPv4's, ICMPv6 IPv6's.
func (r Rule) InFamily(family int) bool {
	for _, m := range r.Match {
		switch m := m.(type) {
		case Proto:
			if !m.InFamily(family) {
				return false
			}
		case Source:
			if m.Prefix.Addr().Is4() != (family == 4) {
				return false
			}
		case Destination:
			if m.Prefix.Addr().Is4() != (family == 4) {
				return false
			}
		}
	}
	return true
}

// InFamily reports whether packets of the family, 4 or 6, have this protocol.
func (m Proto) InFamily(family int) bool {
	return !(m.Proto == netinfo.ICMP && family != 4 || m.Proto == netinfo.ICMPv6 && family != 6)
}

func (v *validator) matches(r Rule) error {
	proto := Protocol(0)
	for _, m := range r.Match {
		if p, ok := m.(Proto); ok {
			proto = p.Proto
		}
		if err := v.match(m, proto); err != nil {
			return fmt.Errorf("%T: %w", m, err)
		}
	}
	return nil
}

func (v *validator) match(m Match, proto Protocol) error {
	switch m := m.(type) {
	case InInterface:
		return validInterface(m.Name, m.Prefix)
	case OutInterface:
		return validInterface(m.Name, m.Prefix)
	case InBridgePort:
		return validInterface(m.Name, false)
	case Source:
		return validPrefix(m.Prefix)
	case Destination:
		return validPrefix(m.Prefix)
	case Proto:
		return validProto(m.Proto)
	case DestPort:
		return validPorts(m.Lo, m.Hi, proto)
	case Conn:
		return validConn(m, proto)
	case InSet:
		return v.inSet(m)
	case Limit:
		return validLimit(m)
	case Syn:
		if proto != netinfo.TCP {
			return errors.New("it needs protocol tcp before it")
		}
	case ICMPType:
		return validICMPType(m, proto)
	case SourceMAC:
		return validMAC(m.MAC)
	}
	return nil
}

// validInterface refuses what the kernel would not have as a name, and what
// iptables would read as a pattern.
func validInterface(name string, prefix bool) error {
	switch {
	case name == "" && !prefix, name == ".", name == "..":
		return fmt.Errorf("%q is no interface name", name)
	case len(name) > 15:
		return fmt.Errorf("interface name %q is longer than 15 bytes", name)
	case strings.ContainsAny(name, "/: \t\n\v\f\r\x00"):
		return fmt.Errorf("interface name %q holds a character that no interface's name has", name)
	case !prefix && strings.HasSuffix(name, "+"), prefix && len(name) == 15 && strings.HasSuffix(name, "+"):
		return fmt.Errorf("interface name %q ends in +, which iptables reads as a wildcard", name)
	}
	return nil
}

func validProto(p Protocol) error {
	if !hasPorts(p) && p != netinfo.ICMP && p != netinfo.ICMPv6 && p != netinfo.ESP {
		return fmt.Errorf("protocol %d is none that is written by name", p)
	}
	return nil
}

func validPorts(lo, hi uint16, proto Protocol) error {
	switch {
	case lo > hi:
		return fmt.Errorf("ports %d to %d", lo, hi)
	case !hasPorts(proto):
		return errors.New("it needs protocol tcp, udp or sctp before it")
	}
	return nil
}

func validICMPType(m ICMPType, proto Protocol) error {
	switch {
	case proto != netinfo.ICMP && proto != netinfo.ICMPv6:
		return errors.New("it needs protocol icmp or ipv6-icmp before it")
	case m.Type == anyType:
		return errors.New("type 255 is every type for the kernel")
	}
	return nil
}

// anyType is what xt_icmp takes for every type.
const anyType = 255

func validConn(m Conn, proto Protocol) error {
	known := []ConnState{StateInvalid, StateNew, StateRelated, StateEstablished, StateDNAT, StateUntracked}
	seen := map[ConnState]bool{}
	for _, s := range m.States {
		if !slices.Contains(known, s) || seen[s] {
			return fmt.Errorf("connection state %q is unknown or there twice", s)
		}
		seen[s] = true
	}
	if m.NotStates && len(m.States) == 0 {
		return errors.New("no states to negate")
	}
	if m.OrigDestLo != 0 || m.OrigDestHi != 0 {
		return validPorts(m.OrigDestLo, m.OrigDestHi, proto)
	}
	if len(m.States) == 0 && !m.Original {
		return errors.New("it asks for nothing")
	}
	return nil
}

func (v *validator) inSet(m InSet) error {
	s := v.set[m.Set]
	switch {
	case s == nil:
		return fmt.Errorf("no set %q", m.Set)
	case len(m.Dims) != s.Type.Dims():
		return fmt.Errorf("set %s has %d dimensions, not %d", m.Set, s.Type.Dims(), len(m.Dims))
	case len(m.Dims) == 2 && m.Dims[1] != Dst:
		return fmt.Errorf("set %s: ports are looked up by destination only", m.Set)
	}
	for _, d := range m.Dims {
		if d != Src && d != Dst {
			return fmt.Errorf("unknown dimension %q", d)
		}
	}
	return nil
}

func validLimit(m Limit) error {
	if m.Rate < 1 || m.Rate > MaxRate || m.Burst < 1 || m.Burst > MaxRate {
		return fmt.Errorf("%d a second after %d: both are 1 to %d", m.Rate, m.Burst, MaxRate)
	}
	return nil
}

func validMAC(s string) error {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 || len(s) != 17 || bytes.ContainsAny([]byte(s), "-.") {
		return fmt.Errorf("%q is no Ethernet address written with colons", s)
	}
	return nil
}
