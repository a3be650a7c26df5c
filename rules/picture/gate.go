package picture

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules/meaning"
	"dockwall/rules/trace"
)

// Gate are NICs that the rules do not tell apart.
type Gate struct {
	NICs []NIC `json:"nics"`
	// Others: an interface that comes later is treated so too.
	Others bool `json:"others,omitempty"`
}

// NIC is an interface that packets from outside come in by.
type NIC struct {
	Name  string         `json:"name"`
	Kind  string         `json:"kind,omitempty"`
	Up    bool           `json:"up"`
	Addrs []netip.Prefix `json:"addrs"`
}

// gate is a Gate with the name that stands for all.
type gate struct {
	nic   string
	names []string
}

// newGates groups the NICs by what rules ask of the side that set fills in.
func (x *catalog) newGates(set func(p *trace.Packet, nic string)) []gate {
	var gates []gate
	at := map[string]int{}
	for _, name := range append(meaning.NICs(x.s), meaning.OtherNIC) {
		key := ""
		for _, v6 := range []bool{false, true} {
			p := trace.Packet{Src: somewhere(v6), Dst: somewhere(v6), Unknown: trace.FieldInPort | trace.FieldSrcMAC}
			set(&p, name)
			key += x.key(p)
		}
		i, ok := at[key]
		if !ok {
			i = len(gates)
			at[key] = i
			gates = append(gates, gate{nic: name})
		}
		gates[i].names = append(gates[i].names, name)
	}
	return gates
}

// gateList are the gates with the facts of their NICs.
func (x *catalog) gateList() []Gate {
	out := []Gate{}
	for _, g := range x.gates {
		one := Gate{NICs: []NIC{}, Others: slices.Contains(g.names, meaning.OtherNIC)}
		for _, l := range x.s.Links {
			if slices.Contains(g.names, l.Name) {
				one.NICs = append(one.NICs, NIC{Name: l.Name, Kind: l.Kind, Up: l.Up, Addrs: addrsOf(l)})
			}
		}
		out = append(out, one)
	}
	return out
}

// addrsOf are the link's addresses without the link-local ones.
func addrsOf(l netinfo.Link) []netip.Prefix {
	return slices.DeleteFunc(append([]netip.Prefix{}, l.Addrs...), func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
}
