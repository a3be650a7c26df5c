package policy

import (
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
)

// Matches reports whether the block stands for the link now: by its name, or by
// an address that it has.
func (i *Interfaces) Matches(l netinfo.Link) bool {
	named := slices.ContainsFunc(i.Names, func(name string) bool {
		prefix, ok := strings.CutSuffix(name, "*")
		return ok && strings.HasPrefix(l.Name, prefix) || name == l.Name
	})
	return named || slices.ContainsFunc(i.Prefixes, func(p netip.Prefix) bool {
		return slices.ContainsFunc(l.Addrs, func(a netinfo.Prefix) bool { return p.Contains(a.Addr()) })
	})
}
