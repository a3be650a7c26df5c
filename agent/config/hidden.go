package config

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// notShown stands for a line of a file that may be any file: the operator may have
// named, or another program linked, one with secrets.
const notShown = "…"

// addressLike is what may be shown of an addresses file: short groups of hexadecimal
// digits, with what separates them in addresses, CIDRs and ranges.
var addressLike = regexp.MustCompile(`^[0-9a-fA-F]{0,4}([.:/-][0-9a-fA-F]{0,4}){1,20}$`)

// hiddenProblem is lineProblem without anything of the line itself.
func hiddenProblem(v string) *problem {
	const detail = "One CIDR, address or range stands on each line, such as 203.0.113.0/24 or 2001:db8::/32, without quotes; # and ; begin a comment. " +
		"The line is not shown, since it does not look like an address: is this the right file?"
	switch {
	case !utf8.ValidString(v) || strings.ContainsRune(v, 0):
		return lineProblem(v)
	case strings.ContainsAny(v, ", \t\"'"):
		return &problem{"The line is not one address", detail}
	case strings.Contains(v, ".") && hostname.MatchString(v):
		return &problem{"The line is a hostname, or no address at all", "Hostnames are not possible. " + detail}
	}
	return &problem{"The line is not an address", detail}
}
