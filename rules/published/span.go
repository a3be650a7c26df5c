package published

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"dockwall/netinfo"
)

// Span is a range of ports of the host that one container publishes.
type Span struct {
	// Addr is the host address; invalid: every address, of one family or of both.
	Addr   netip.Addr
	Proto  netinfo.Protocol
	Lo, Hi uint16
}

// Spans returns the container's ports on the host as people read them: each once,
// and neighbours as one range. Those of a container on the host's network are what its
// processes listen on. Ports that Docker has not picked yet are left out.
func Spans(s *netinfo.Snapshot, c *netinfo.Container) []Span {
	var all []Span
	claims := claimsOf(s, c, func(netinfo.PublishedPort) bool { return true })
	if c.HostNetwork && c.SharesWith == "" {
		for _, p := range c.Ports {
			claims = append(claims, Claim{c, p})
		}
	}
	for _, cl := range claims {
		sp := Span{cl.Port.HostAddr, cl.Port.Proto, cl.Port.HostPort, max(cl.Port.HostPort, cl.Port.HostPortEnd)}
		if sp.Addr.IsValid() && sp.Addr.IsUnspecified() {
			sp.Addr = netip.Addr{}
		}
		all = append(all, sp)
	}
	slices.SortFunc(all, func(a, b Span) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi))
	})
	var out []Span
	for _, sp := range all {
		if n := len(out) - 1; n >= 0 && out[n].Addr == sp.Addr && out[n].Proto == sp.Proto && int(sp.Lo) <= int(out[n].Hi)+1 {
			out[n].Hi = max(out[n].Hi, sp.Hi)
			continue
		}
		out = append(out, sp)
	}
	return out
}

// String writes the span as 80/tcp, 192.0.2.1:8000-8100/tcp or [2001:db8::1]:53/udp.
func (sp Span) String() string {
	text := fmt.Sprint(sp.Lo)
	if sp.Hi > sp.Lo {
		text += fmt.Sprintf("-%d", sp.Hi)
	}
	switch {
	case !sp.Addr.IsValid():
	case sp.Addr.Is6():
		text = fmt.Sprintf("[%s]:%s", sp.Addr, text)
	default:
		text = fmt.Sprintf("%s:%s", sp.Addr, text)
	}
	return text + "/" + sp.Proto.String()
}
