package iptables

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo"
)

// maxTranslations bounds the nat rules that are read: a host of a cluster has tens of
// thousands.
const maxTranslations = 10000

// Translations returns the rules of the table nat that change a packet's destination
// when it comes in, except Docker's own.
func Translations(tables []Table, f Family) []netinfo.Translation {
	for i := range tables {
		if tables[i].Name == "nat" {
			w := natWalk{table: &tables[i], v6: f == V6}
			w.chain("PREROUTING", netinfo.Translation{V6: w.v6}, nil)
			return w.found
		}
	}
	return nil
}

// natWalk follows the jumps of one nat table.
type natWalk struct {
	table *Table
	v6    bool
	found []netinfo.Translation
	// docker: Docker's chain has been passed.
	docker bool
	// shadowed: an earlier rule ends the walk for some packets.
	shadowed bool
}

// chain reads the rules of a chain that packets reach under the conditions.
func (w *natWalk) chain(name string, under netinfo.Translation, above []string) {
	c := w.table.chain(name)
	if c == nil || slices.Contains(above, name) {
		return
	}
	returned := false
	for _, text := range c.Rules {
		if len(w.found) >= maxTranslations {
			return
		}
		r := readNAT(text)
		if strings.HasPrefix(r.target, "DOCKER") {
			w.docker = w.docker || r.target == "DOCKER"
			continue
		}
		for _, t := range r.ports() {
			t = within(t, under)
			t.Rule, t.V6 = "-A "+name+" "+text, w.v6
			t.AfterDocker = w.docker
			t.Unclear = t.Unclear || w.shadowed || returned
			switch r.target {
			case "DNAT", "REDIRECT", "NETMAP":
				w.found = append(w.found, t)
			default:
				w.chain(r.target, t, append(slices.Clone(above), name))
			}
		}
		switch r.target {
		case "RETURN":
			returned = true
		case "ACCEPT":
			w.shadowed = true
		}
	}
}

// within adds the conditions under which the chain is reached.
func within(t, under netinfo.Translation) netinfo.Translation {
	pick := func(both bool) { t.Unclear = t.Unclear || both }
	if t.NIC == "" {
		t.NIC = under.NIC
	} else {
		pick(under.NIC != "" && under.NIC != t.NIC)
	}
	t.Source, t.Dest = narrower(t.Source, under.Source), narrower(t.Dest, under.Dest)
	if t.Proto == 0 {
		t.Proto = under.Proto
	}
	if t.Hi == 0 {
		t.Lo, t.Hi = under.Lo, under.Hi
	} else {
		pick(under.Hi != 0 && (t.Lo < under.Lo || t.Hi > under.Hi))
	}
	t.Local = t.Local || under.Local
	t.Unclear = t.Unclear || under.Unclear
	return t
}

func narrower(a, b netip.Prefix) netip.Prefix {
	if !a.IsValid() || b.IsValid() && b.Bits() > a.Bits() {
		return b
	}
	return a
}

// natRule is one rule, read as far as it is understood.
type natRule struct {
	netinfo.Translation
	target string
	ranges [][2]uint16
}

// ports returns the rule once for each range of ports that it lists.
func (r natRule) ports() []netinfo.Translation {
	if len(r.ranges) == 0 {
		return []netinfo.Translation{r.Translation}
	}
	var all []netinfo.Translation
	for _, p := range r.ranges {
		t := r.Translation
		t.Lo, t.Hi = p[0], p[1]
		all = append(all, t)
	}
	return all
}

func readNAT(text string) natRule {
	var r natRule
	words := slices.Collect(splitWords(text))
	for i := 0; i < len(words); i++ {
		if words[i] == "!" { // the condition that follows is left out
			r.Unclear = true
			i += 2
			continue
		}
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		if r.option(words[i], value) {
			i++
		}
	}
	r.Redirect = r.target == "REDIRECT"
	r.Unclear = r.Unclear || r.target == "NETMAP"
	return r
}

// option reads one option, and reports whether it has a value.
func (r *natRule) option(name, value string) bool {
	ok := true
	switch name {
	case "-s":
		r.Source, ok = prefixOf(value)
	case "-d":
		r.Dest, ok = prefixOf(value)
	case "-i":
		r.NIC = value
		if base, wild := strings.CutSuffix(value, "+"); wild {
			r.NIC = base + "*"
		}
	case "-p":
		var err error
		r.Proto, err = netinfo.ParseProtocol(value)
		ok = err == nil
	case "-m":
		ok = slices.Contains([]string{"tcp", "udp", "sctp", "comment", "addrtype", "multiport"}, value)
	case "--comment":
	case "--dport", "--dports":
		r.ranges, ok = rangesOf(value)
	case "--dst-type":
		r.Local = value == "LOCAL"
		ok = r.Local
	case "-j", "-g":
		r.target = value
		ok = name == "-j"
	case "--to-destination":
		ok = r.destination(value)
	case "--to-ports":
		r.ToPort, ok = portOf(value)
	case "--persistent":
		return false
	default:
		r.Unclear = true
		return false
	}
	r.Unclear = r.Unclear || !ok
	return true
}

// destination reads 172.17.0.2:80, [fd00::2]:80, or an address or port alone.
func (r *natRule) destination(text string) bool {
	if at, err := netip.ParseAddrPort(text); err == nil {
		r.To, r.ToPort = at.Addr(), at.Port()
		return true
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		r.To = a
		return true
	}
	port, ok := portOf(strings.TrimPrefix(text, ":"))
	r.ToPort = port
	return ok
}

func prefixOf(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// rangesOf reads 80, 8000:8100 and 80,443,8000:8100.
func rangesOf(text string) ([][2]uint16, bool) {
	var all [][2]uint16
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, ":")
		if !isRange {
			high = low
		}
		lo, ok1 := portOf(low)
		hi, ok2 := portOf(high)
		if !ok1 || !ok2 {
			return nil, false
		}
		all = append(all, [2]uint16{lo, hi})
	}
	return all, true
}

func portOf(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil
}
