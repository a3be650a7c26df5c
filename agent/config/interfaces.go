package config

import (
	"fmt"
	"strings"
	"unicode"

	"dockwall/rules/policy"
)

// maxInterfaceName is the kernel's IFNAMSIZ without its final NUL.
const maxInterfaceName = 15

// interfaces decodes an interfaces block: names, cidrs, or both.
func (d *decoder) interfaces(s *section) {
	i := &policy.Interfaces{Name: s.name, Origin: s.origin(), Names: s.texts("names", checkInterfaceName)}
	attrs := s.hcl.Body.Attributes
	if attrs["names"] == nil && attrs["cidrs"] == nil {
		s.fail(s.hcl.DefRange(), &problem{s.title() + " has neither names nor cidrs",
			`Write names = ["eth1"], or cidrs = ["10.0.0.0/8"] for the NICs with an address in there.`})
	}
	for _, e := range s.elements("cidrs") {
		i.Prefixes = append(i.Prefixes, s.prefixes(e)...)
	}
	i.Prefixes = s.uniquePrefixes("cidrs", i.Prefixes)
	if d.interfacesBy[s.name] == nil {
		d.interfacesBy[s.name] = i
		d.doc.Policy.Interfaces = append(d.doc.Policy.Interfaces, i)
	}
}

// checkInterfaceName takes what the kernel takes as a name (dev_valid_name in
// net/core/dev.c), and a * at its end.
func checkInterfaceName(name string) *problem {
	stem := strings.TrimSuffix(name, "*")
	const usage = `Write for instance "eth1", or "bond*" for all that begin so.`
	bad := func(r rune) bool {
		return r == '/' || r == ':' || r == '"' || r == '\\' || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}
	switch {
	case name == "":
		return &problem{"An interface's name is empty", usage}
	case strings.HasSuffix(name, "+"):
		return &problem{fmt.Sprintf("%q ends with +", name), fmt.Sprintf("A prefix is written with *: %q.", strings.TrimRight(name, "+")+"*")}
	case strings.ContainsAny(stem, "*?["):
		return &problem{fmt.Sprintf("%q has a wildcard that is not a * at its end", name), usage}
	case len(name) > maxInterfaceName:
		return &problem{fmt.Sprintf("%q is too long for an interface", name), fmt.Sprintf("The kernel's names have at most %d bytes.", maxInterfaceName)}
	case stem == "." || stem == ".." || strings.ContainsFunc(name, bad) || strings.HasPrefix(name, "!"):
		return &problem{fmt.Sprintf("%q cannot be an interface's name", name), usage}
	}
	return nil
}
