package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// ports is a list of the host's ports, sorted and without duplicates.
func (s *section) ports(name string) []policy.Ports {
	return s.portList(name, func(v string) ([]policy.Ports, *problem) {
		if word, ok := pingWord(v); ok {
			return nil, &problem{fmt.Sprintf("%s cannot publish %s", s.title(), inQuotes(word)),
				`Pings have no port that Docker publishes. Write "icmp" in a direct, between or egress block, whose ports are not the host's.`}
		}
		return parsePorts(v)
	})
}

// ownPorts is a list of the ports of containers and other hosts, and of "icmp".
func (s *section) ownPorts(name string) []policy.Ports {
	return s.portList(name, func(v string) ([]policy.Ports, *problem) {
		switch word, ok := pingWord(v); {
		case ok && word == pingPort:
			return policy.Ping(), nil
		case ok:
			return nil, &problem{fmt.Sprintf("%q is not a port", v), `For pings, in both families, write "icmp".`}
		}
		return parsePorts(v)
	})
}

// pingPort is how pings are written.
const pingPort = "icmp"

// pingWord reports whether v is how one may write pings, and returns it.
func pingWord(v string) (string, bool) {
	switch strings.ToLower(v) {
	case pingPort, "icmpv6", "icmp6", "ipv6-icmp", "ping":
		return v, true
	}
	return "", false
}

// tcpPorts is a list of TCP ports: what has no protocol is TCP.
func (s *section) tcpPorts(name string) []policy.Ports { return s.portList(name, parseTCPPorts) }

func (s *section) portList(name string, parse func(string) ([]policy.Ports, *problem)) []policy.Ports {
	var all []policy.Ports
	seen := map[policy.Ports]bool{}
	for _, e := range s.elements(name) {
		v, ok := s.text(e)
		if !ok {
			continue
		}
		ps, p := parse(v)
		if p != nil {
			s.fail(e.Range(), p)
			continue
		}
		for _, p := range ps {
			if seen[p] && p.Proto == netinfo.ICMPv6 {
				continue // "icmp" was named already
			}
			if seen[p] {
				s.warn(e.Range(), &problem{fmt.Sprintf("%s is there twice", portsText(p)), "One is enough."})
				continue
			}
			seen[p] = true
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b policy.Ports) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi))
	})
	return all
}

func portsText(p policy.Ports) string {
	if p.IsPing() {
		return pingPort
	}
	if p.Lo == p.Hi {
		return fmt.Sprintf("%d/%s", p.Lo, p.Proto)
	}
	return fmt.Sprintf("%d-%d/%s", p.Lo, p.Hi, p.Proto)
}

const portsUsage = `Write a port or a range, and the protocol: "443/tcp", "8000-8100/udp"; without a protocol it is tcp and udp.`

// parsePorts reads "443/tcp", "8000-8100/tcp", "53": the last is tcp and udp.
func parsePorts(v string) ([]policy.Ports, *problem) {
	numbers, word, hasProto := strings.Cut(v, "/")
	protos := []rules.Protocol{netinfo.TCP, netinfo.UDP}
	if hasProto {
		proto, p := parseProto(v, numbers, word)
		if p != nil {
			return nil, p
		}
		protos = []rules.Protocol{proto}
	}
	lo, hi, p := parseRange(v, numbers)
	if p != nil {
		return nil, p
	}
	var all []policy.Ports
	for _, proto := range protos {
		all = append(all, policy.Ports{Proto: proto, Lo: lo, Hi: hi})
	}
	return all, nil
}

// parseTCPPorts reads "2376/tcp" or "2376": dockerd serves nothing else.
func parseTCPPorts(v string) ([]policy.Ports, *problem) {
	all, p := parsePorts(v)
	if p != nil {
		return nil, p
	}
	all = slices.DeleteFunc(all, func(p policy.Ports) bool { return p.Proto != netinfo.TCP })
	if len(all) == 0 {
		numbers, _, _ := strings.Cut(v, "/")
		return nil, &problem{fmt.Sprintf("%q is not a TCP port", v), fmt.Sprintf("dockerd serves its ports over TCP only: write %q.", numbers+"/tcp")}
	}
	return all, nil
}

func parseProto(v, numbers, word string) (rules.Protocol, *problem) {
	protos := []string{"tcp", "udp", "sctp"}
	if slices.Contains(protos, word) {
		proto, err := netinfo.ParseProtocol(word)
		if err == nil {
			return proto, nil
		}
	}
	switch {
	case strings.Contains(word, "icmp"):
		return 0, &problem{fmt.Sprintf("%q: ICMP has no ports", v), `Pings are "icmp", in blocks whose ports are the containers' own. ` + portsUsage}
	case slices.Contains(protos, numbers):
		return 0, &problem{fmt.Sprintf("%q is the wrong way round", v), fmt.Sprintf("Write %q.", word+"/"+numbers)}
	}
	hint := didYouMean(word, protos, func(p string) string { return inQuotes(numbers + "/" + p) })
	return 0, &problem{fmt.Sprintf("%q has no known protocol", v), cmp.Or(hint, "The protocol is tcp, udp or sctp.")}
}

func parseRange(v, numbers string) (lo, hi uint16, p *problem) {
	first, last, isRange := strings.Cut(numbers, "-")
	lo, okLo := parsePort(first)
	hi = lo
	okHi := okLo
	if isRange {
		hi, okHi = parsePort(last)
	}
	switch {
	case !okLo || !okHi:
		return 0, 0, portsProblem(v, numbers)
	case lo > hi:
		rest := strings.TrimPrefix(v, numbers)
		return 0, 0, &problem{fmt.Sprintf("The range %q is reversed", v), fmt.Sprintf("Write %q.", fmt.Sprintf("%d-%d%s", hi, lo, rest))}
	}
	return lo, hi, nil
}

// parsePort reads 1 to 65535, without sign, blanks and leading zeros.
func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

var (
	allDigits   = regexp.MustCompile(`^-?\d+(-\d+)?$`)
	colonRange  = regexp.MustCompile(`^(\d+):(\d+)$`)
	serviceName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*$`)
)

// portsProblem says what is wrong with the numbers of v.
func portsProblem(v, numbers string) *problem {
	rest := strings.TrimPrefix(v, numbers)
	m := colonRange.FindStringSubmatch(numbers)
	switch t := strings.TrimSpace(v); {
	case t == "":
		return &problem{"A port is empty", portsUsage}
	case numbers == "*" || strings.EqualFold(numbers, "any") || strings.EqualFold(numbers, "all"):
		return &problem{fmt.Sprintf("%q is not a port", v), "For every port leave ports out; for every port of one protocol write \"1-65535/tcp\"."}
	case strings.Contains(v, ","):
		return &problem{fmt.Sprintf("%q is more than one port", v), "Write each in quotes of its own, with commas between them."}
	case strings.ContainsAny(v, " \t\r\n"):
		return &problem{fmt.Sprintf("There are blanks in %q", v), fmt.Sprintf("Write %q.", strings.Join(strings.Fields(v), ""))}
	case m != nil:
		return &problem{fmt.Sprintf("%q has a colon", v),
			fmt.Sprintf("A range is written %q. Of a published port (HOST:CONTAINER) write the host's: %q.", m[1]+"-"+m[2]+rest, m[1]+rest)}
	case allDigits.MatchString(numbers):
		return &problem{fmt.Sprintf("%q is not a port", v), "Ports are 1 to 65535, without leading zeros."}
	case serviceName.MatchString(numbers):
		return &problem{fmt.Sprintf("%q is not a number", numbers), "Names of services are not possible. " + portsUsage}
	}
	return &problem{fmt.Sprintf("%q is not a port", v), portsUsage}
}
