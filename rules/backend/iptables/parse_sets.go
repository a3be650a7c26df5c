package iptables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// ParseSets reads what `ipset save` prints and keeps the sets of ours. A set
// of ours that holds what dockwall never writes is Odd, not an error: it is to
// be repaired, not to be stopped by.
func ParseSets(ipsetSave string) ([]SetState, error) {
	var out []SetState
	index := map[string]int{}
	last := -1
	n := 0
	for text := range strings.SplitSeq(ipsetSave, "\n") {
		n++
		verb, rest, _ := strings.Cut(text, " ")
		name, rest, _ := strings.Cut(rest, " ")
		if !OwnSet(name) {
			continue
		}
		switch {
		case verb == "create":
			if _, ok := index[name]; ok {
				return nil, fmt.Errorf("ipset save, line %d: set %s is there twice", n, name)
			}
			last = len(out)
			index[name] = last
			out = append(out, createState(name, rest))
		case verb == "add" && last >= 0 && out[last].Name == name:
			out[last].add(rest)
		default:
			return nil, fmt.Errorf("ipset save, line %d: %q is not expected here", n, text)
		}
	}
	for i := range out {
		out[i].Members = rules.SortMembers(out[i].Members)
	}
	return out, nil
}

// OwnSet reports whether a set of the kernel is dockwall's, by its name.
func OwnSet(name string) bool {
	return strings.HasPrefix(name, sets4) || strings.HasPrefix(name, sets6)
}

// createState reads "hash:net family inet hashsize 1024 maxelem 65536 …".
func createState(name, spec string) SetState {
	words := strings.Fields(spec)
	s := SetState{Name: name}
	if len(words) == 0 {
		s.Odd = true
		return s
	}
	s.Type = words[0]
	for i := 1; i < len(words); i += 2 {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch words[i] {
		case "family":
			s.Family = 4
			if value == "inet6" {
				s.Family = 6
			}
		case "maxelem":
			n, err := strconv.Atoi(value)
			s.MaxElem = n
			s.Odd = s.Odd || err != nil
		case "hashsize", "bucketsize", "initval":
		default:
			s.Odd = true
		}
	}
	return s
}

func (s *SetState) add(text string) {
	m, err := parseMember(text)
	if err != nil {
		s.Odd = true
		return
	}
	s.Members = append(s.Members, m)
}

// parseMember reads a member as ipset prints it, such as 10.0.0.0/8,tcp:80.
func parseMember(text string) (rules.Member, error) {
	addr, port, hasPort := strings.Cut(text, ",")
	var m rules.Member
	var err error
	if strings.Contains(addr, "/") {
		m.Prefix, err = netip.ParsePrefix(addr)
	} else {
		var a netip.Addr
		a, err = netip.ParseAddr(addr)
		m.Prefix = netip.PrefixFrom(a, a.BitLen())
	}
	if err != nil || !hasPort {
		return m, err
	}
	name, num, _ := strings.Cut(port, ":")
	if m.Proto, err = netinfo.ParseProtocol(name); err != nil {
		return m, err
	}
	n, err := strconv.ParseUint(num, 10, 16)
	m.Port = uint16(n)
	return m, err
}
