package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"go4.org/netipx"

	"dockwall/rules/policy"
)

// addressList is a list of references to addresses blocks, and of addresses.
func (s *section) addressList(name string) policy.AddressList {
	var list policy.AddressList
	for _, e := range s.elements(name) {
		if ref, ok := bare(e).(*hclsyntax.ScopeTraversalExpr); ok {
			if a := resolve(s, ref, "addresses", s.d.addressesBy); a != nil {
				list.Refs = addReference(s, list.Refs, a, ref)
			}
			continue
		}
		list.Literals = append(list.Literals, s.prefixes(e)...)
	}
	sortByName(list.Refs, addressesName)
	list.Literals = s.uniquePrefixes(name, list.Literals)
	return list
}

// prefixes is the one address that an expression writes out, two for "any".
func (s *section) prefixes(e hclsyntax.Expression) []netip.Prefix {
	v, ok := s.text(e)
	if !ok {
		return nil
	}
	ps, p := parseAddress(v)
	if p != nil {
		s.fail(e.Range(), p)
	}
	return ps
}

// uniquePrefixes sorts, and warns of what is there twice.
func (s *section) uniquePrefixes(name string, ps []netip.Prefix) []netip.Prefix {
	n := len(ps)
	if ps = policy.SortPrefixes(ps); len(ps) < n {
		s.warn(s.hcl.Body.Attributes[name].NameRange, &problem{fmt.Sprintf("%s holds the same address twice", name), s.repeated(name)})
	}
	return ps
}

// repeated names the first entry that is there a second time.
func (s *section) repeated(name string) string {
	seen := map[netip.Prefix]bool{}
	list, _ := bare(s.hcl.Body.Attributes[name].Expr).(*hclsyntax.TupleConsExpr)
	for _, e := range list.Exprs {
		t, ok := bare(e).(*hclsyntax.TemplateExpr)
		if !ok {
			continue
		}
		v, _ := literalString(t)
		ps, _ := parseAddress(v)
		for _, p := range ps {
			if seen[p] {
				return fmt.Sprintf("%s at line %d is one too many.", s.source(e), e.Range().Start.Line)
			}
			seen[p] = true
		}
	}
	return "One is enough."
}

// everywhere is what "any" stands for.
func everywhere() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
}

// parseAddress reads "any", a CIDR or a single address.
func parseAddress(v string) ([]netip.Prefix, *problem) {
	if v == "any" {
		return everywhere(), nil
	}
	p, ok := parsePrefix(v)
	if ok {
		return []netip.Prefix{p}, nil
	}
	return nil, addressProblem(v)
}

// parsePrefix reads a CIDR without host bits, or an address. It is what a
// million lines go through; addressProblem says what was wrong.
func parsePrefix(v string) (netip.Prefix, bool) {
	if strings.IndexByte(v, '/') >= 0 {
		p, err := netip.ParsePrefix(v)
		return p, err == nil && p == p.Masked() && !p.Addr().Is4In6()
	}
	a, err := netip.ParseAddr(v)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

var (
	fourNumbers = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)
	fewNumbers  = regexp.MustCompile(`^\d+(\.\d*){0,3}$`)
	hostname    = regexp.MustCompile(`^[\pL\d_]([\pL\d_-]*[\pL\d_])?(\.[\pL\d_]([\pL\d_-]*[\pL\d_])?)*\.?$`)
)

// addressProblem says what is wrong with what parseAddress did not take, and
// what to write instead.
func addressProblem(v string) *problem {
	switch t := strings.TrimSpace(v); {
	case t == "":
		return &problem{"An address is empty", `Write a CIDR or an address, such as "203.0.113.0/24"; "any" is everybody.`}
	case t != v:
		return &problem{fmt.Sprintf("There are blanks around %q", t), fmt.Sprintf("Write %q.", t)}
	case quotedReference(v):
		return quotedProblem(v)
	case strings.EqualFold(v, "any") || strings.EqualFold(v, "all") || v == "*":
		return &problem{fmt.Sprintf("%q is not an address", v), `Did you mean "any"?`}
	case strings.ContainsAny(v, ", \t\r\n"):
		return &problem{fmt.Sprintf("%q is not one address", v), "Write each address in quotes of its own, with commas between them."}
	}
	for _, look := range []func(string) *problem{rangeProblem, portProblem, zoneProblem, prefixProblem, singleProblem} {
		if p := look(v); p != nil {
			return p
		}
	}
	return &problem{fmt.Sprintf("%q is not an address", v), `Write a CIDR or an address, such as "203.0.113.0/24" or "2001:db8::7".`}
}

// maxRangeCIDRs is how many CIDRs an error about a range writes out.
const maxRangeCIDRs = 8

func rangeProblem(v string) *problem {
	lo, hi, ok := strings.Cut(v, "-")
	from, err := netip.ParseAddr(strings.TrimSpace(lo))
	if !ok || err != nil {
		return nil
	}
	p := &problem{fmt.Sprintf("%q is a range", v), "Ranges are written as CIDRs."}
	to, err := netip.ParseAddr(strings.TrimSpace(hi))
	if err != nil {
		return p
	}
	if cidrs := netipx.IPRangeFrom(from, to).Prefixes(); len(cidrs) > 0 && len(cidrs) <= maxRangeCIDRs {
		p.detail = "Ranges are written as CIDRs: " + joinPrefixes(cidrs) + "."
	}
	return p
}

func joinPrefixes(ps []netip.Prefix) string {
	var all []string
	for _, p := range ps {
		all = append(all, inQuotes(p.String()))
	}
	return strings.Join(all, ", ")
}

func portProblem(v string) *problem {
	const detail = "Ports are said by the attribute ports. "
	if ap, err := netip.ParseAddrPort(v); err == nil {
		return &problem{fmt.Sprintf("%q holds a port", v), detail + fmt.Sprintf("Write %q here.", ap.Addr().WithZone("").String())}
	}
	if inner, ok := strings.CutPrefix(v, "["); ok {
		inner, _, _ = strings.Cut(inner, "]")
		return &problem{fmt.Sprintf("%q has brackets", v), fmt.Sprintf("Write %q.", inner)}
	}
	host, port, ok := strings.Cut(v, ":")
	if _, err := strconv.ParseUint(port, 10, 16); ok && err == nil && hostname.MatchString(host) {
		return &problem{fmt.Sprintf("%q is a hostname with a port", v), detail + "And only addresses are possible, not hostnames."}
	}
	return nil
}

func zoneProblem(v string) *problem {
	a, zone, ok := strings.Cut(v, "%")
	if _, err := netip.ParseAddr(a); !ok || err != nil {
		return nil
	}
	zone, _, _ = strings.Cut(zone, "/")
	return &problem{fmt.Sprintf("%q holds a zone", v),
		fmt.Sprintf("Write %q; the NIC %q is said by via, with an interfaces block.", a, zone)}
}

// prefixProblem is for what has a slash.
func prefixProblem(v string) *problem {
	addr, length, ok := strings.Cut(v, "/")
	if !ok {
		return nil
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return cmp.Or(singleProblem(addr), &problem{fmt.Sprintf("%q is not a CIDR", v), `Write for instance "203.0.113.0/24".`})
	}
	if a.Is4In6() {
		return mappedProblem(v, a)
	}
	if mask, err := netip.ParseAddr(length); err == nil && mask.Is4() {
		return maskProblem(v, a, mask)
	}
	p, err := netip.ParsePrefix(v)
	if err != nil {
		return &problem{fmt.Sprintf("%q has no valid prefix length", v),
			fmt.Sprintf("For %s it is a number from 0 to %d, without leading zeros.", family(a), a.BitLen())}
	}
	return &problem{fmt.Sprintf("%q has bits set behind its prefix", v),
		fmt.Sprintf("The network is %q; the single address is %q.", p.Masked(), a)}
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func maskProblem(v string, a, mask netip.Addr) *problem {
	p := &problem{fmt.Sprintf("%q has a netmask", v), "A prefix is given by its length."}
	m := mask.As4()
	if ones, ok := maskLength(m); ok && a.Is4() {
		p.detail = fmt.Sprintf("A prefix is given by its length: %q.", netip.PrefixFrom(a, ones).Masked())
	}
	return p
}

// maskLength is the number of leading ones, if nothing but zeros follows them.
func maskLength(m [4]byte) (int, bool) {
	n := uint32(m[0])<<24 | uint32(m[1])<<16 | uint32(m[2])<<8 | uint32(m[3])
	ones := 0
	for ; n&(1<<31) != 0; n <<= 1 {
		ones++
	}
	return ones, n == 0
}

// singleProblem is for what has no slash.
func singleProblem(v string) *problem {
	if a, err := netip.ParseAddr(v); err == nil {
		if a.Is4In6() {
			return mappedProblem(v, a)
		}
		return nil
	}
	switch {
	case fourNumbers.MatchString(v):
		if w, err := withoutZeros(v); err == nil {
			return &problem{fmt.Sprintf("%q has leading zeros", v), fmt.Sprintf("Some programs read such numbers as octal. Write %q.", w)}
		}
		return &problem{fmt.Sprintf("%q is not an address", v), "Each of the four numbers is 0 to 255."}
	case fewNumbers.MatchString(v):
		return &problem{fmt.Sprintf("%q is not a whole address", v), `An IPv4 address has four numbers; a network is written "203.0.113.0/24".`}
	case hostname.MatchString(v):
		return &problem{fmt.Sprintf("%q is a hostname; only addresses are possible", v),
			"What a name stands for can change at any time, and a firewall would not notice. Write the addresses."}
	}
	return nil
}

func mappedProblem(v string, a netip.Addr) *problem {
	return &problem{fmt.Sprintf("%q is an IPv4 address in IPv6's clothes", v),
		fmt.Sprintf("No packet carries such an address. Write IPv4: %q.", a.Unmap().String())}
}

// errNoAddress means that an address stays wrong without its leading zeros.
var errNoAddress = errors.New("not an address")

func withoutZeros(v string) (string, error) {
	parts := strings.Split(v, ".")
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil {
			return "", errNoAddress
		}
		parts[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(parts, "."), nil
}

// coversFamily reports whether one of the prefixes is a whole family.
func coversFamily(ps []netip.Prefix) bool {
	return slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Bits() == 0 })
}
