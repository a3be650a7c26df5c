package trace

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"dockwall/rules"
)

// index answers lookups in one set as the kernel's hash does: an address is in
// a prefix, protocol and port are equal.
type index struct {
	typ  rules.SetType
	nets *bart.Lite
	// ports has one table for each protocol and port of a HashNetPort.
	ports map[portKey]*bart.Lite
	// protos are the protocols that members have.
	protos map[rules.Protocol]bool
}

type portKey struct {
	proto rules.Protocol
	port  uint16
}

func newIndex(s rules.Set) *index {
	x := &index{typ: s.Type, nets: new(bart.Lite), ports: map[portKey]*bart.Lite{}, protos: map[rules.Protocol]bool{}}
	for _, m := range s.Members {
		if s.Type == rules.HashNet {
			x.nets.Insert(m.Prefix.Masked())
			continue
		}
		k := portKey{m.Proto, m.Port}
		if x.ports[k] == nil {
			x.ports[k] = new(bart.Lite)
		}
		x.ports[k].Insert(m.Prefix.Masked())
		x.protos[m.Proto] = true
	}
	return x
}

func (x *index) holds(a netip.Addr) bool { return x.nets.Contains(a) }

// holdsPort looks up an address with a protocol and a port; for a protocol
// that has no ports the kernel looks up port 0.
func (x *index) holdsPort(a netip.Addr, proto rules.Protocol, port uint16) bool {
	t := x.ports[portKey{proto, port}]
	return t != nil && t.Contains(a)
}
