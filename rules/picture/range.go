package picture

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo"
)

// probed is a published port, or a range of them, and what became of the packets to
// it.
type probed struct {
	at    netinfo.PublishedPort
	ownHi uint16 // the last of the container's ports
	Port
}

// newProbed is one port, or one range of candidates for it.
func newProbed(p netinfo.PublishedPort, port Port) probed {
	return probed{p, p.ContainerPort, port}
}

// key is what two ports have in common that are listed once: the engine tells of both
// families apart.
type portKey struct {
	addr               netip.Addr
	proto              netinfo.Protocol
	lo, hi, own, ownHi uint16
	routed             bool
}

func (p *probed) key() portKey {
	k := portKey{p.at.HostAddr, p.at.Proto, p.at.HostPort, p.at.HostPortEnd, p.at.ContainerPort, p.ownHi, p.Routed}
	if k.addr.IsValid() && k.addr.IsUnspecified() {
		k.addr = netip.Addr{}
	}
	return k
}

// merged lists each port once, and neighbours that fare alike as one range.
func merged(all []probed) []Port {
	places := map[portKey]int{}
	var once []probed
	for _, p := range all {
		k := p.key()
		if i, ok := places[k]; ok {
			once[i].join(p.Port)
			continue
		}
		places[k] = len(once)
		once = append(once, p)
	}
	slices.SortStableFunc(once, func(a, b probed) int {
		x, y := a.key(), b.key()
		return cmp.Or(boolCompare(x.routed, y.routed), x.addr.Compare(y.addr), cmp.Compare(x.proto, y.proto), cmp.Compare(x.lo, y.lo),
			cmp.Compare(x.own, y.own), cmp.Compare(x.hi, y.hi))
	})
	var ranges []probed
	for _, p := range once {
		if n := len(ranges) - 1; n < 0 || !ranges[n].extend(p) {
			ranges = append(ranges, p)
		}
	}
	out := []Port{}
	for _, p := range ranges {
		p.Host, p.Own = p.host(), spanText(p.at.ContainerPort, p.ownHi)+"/"+p.at.Proto.String()
		out = append(out, p.Port)
	}
	return out
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// extend takes in the next port if it follows, on the host and in the container, and
// fares alike. A range of candidates is a port of its own: Docker picks one of it.
func (p *probed) extend(o probed) bool {
	a, b := p.key(), o.key()
	candidates := a.hi > a.lo && a.ownHi == a.own || b.hi > b.lo && b.ownHi == b.own
	follows := int(b.own) == int(a.ownHi)+1 && (a.lo == 0 && b.lo == 0 || int(b.lo) == int(max(a.lo, a.hi))+1)
	if candidates || !follows || a.addr != b.addr || a.proto != b.proto || a.routed != b.routed ||
		p.State != o.State || !reflect.DeepEqual(p.Access, o.Access) || !slices.Equal(p.ClosedBy, o.ClosedBy) {
		return false
	}
	if a.lo != 0 {
		p.at.HostPortEnd = max(o.at.HostPort, o.at.HostPortEnd)
	}
	p.ownHi = o.ownHi
	return true
}

// host is the host's side of a published port; in routed mode, and before Docker has
// picked one, it is the container's port.
func (p *probed) host() string {
	text := spanText(p.at.HostPort, p.at.HostPortEnd)
	if p.at.HostPort == 0 {
		text = spanText(p.at.ContainerPort, p.ownHi)
	}
	if a := p.at.HostAddr; a.IsValid() && !a.IsUnspecified() {
		if a.Is6() {
			return fmt.Sprintf("[%s]:%s/%s", a, text, p.at.Proto)
		}
		return fmt.Sprintf("%s:%s/%s", a, text, p.at.Proto)
	}
	return text + "/" + p.at.Proto.String()
}

func spanText(lo, hi uint16) string {
	if hi > lo {
		return fmt.Sprintf("%d-%d", lo, hi)
	}
	return strconv.Itoa(int(lo))
}

func (p *Port) join(o Port) {
	if o.State == Open {
		p.State = Open
	}
	for _, a := range o.Access {
		same := func(b Access) bool { return b.Gate == a.Gate && b.Source == a.Source && b.Policy == a.Policy }
		if i := slices.IndexFunc(p.Access, same); i >= 0 {
			p.Access[i].But = union(p.Access[i].But, a.But)
		} else {
			p.Access = append(p.Access, a)
		}
	}
	slices.SortStableFunc(p.Access, func(a, b Access) int {
		return cmp.Or(cmp.Compare(a.Gate, b.Gate), cmp.Compare(a.Source, b.Source), strings.Compare(a.Policy, b.Policy))
	})
	p.ClosedBy = union(p.ClosedBy, o.ClosedBy)
}
