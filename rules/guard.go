package rules

import (
	"cmp"
	"net/netip"
	"slices"
)

// Guard says what the ports of containers may send: spoofing = "deny". The zero value
// denies nothing.
//
// A port is in one of these states; the first that applies counts:
//
//	foreign, free   all frames pass
//	guarded         a known container's port: frames of its Stations, from its addresses
//	stray           a veth's of no known container: frames of its MAC, except in the
//	                name of a container or of the host
//	unknown         a port that came a moment ago. With HoldUnknown, no frame of a veth
//	                passes: it may be the port of a container
type Guard struct {
	// On: at least one network denies spoofing.
	On bool `json:"on,omitempty"`
	// HoldUnknown: an agent runs that learns of new ports.
	HoldUnknown bool `json:"hold_unknown,omitempty"`
	// Free are the ports of Docker's bridges whose frames are not checked. Sorted.
	Free []int `json:"free,omitempty"`
	// Senders are the addresses that containers send from. Sorted.
	Senders []Sender `json:"senders,omitempty"`
	// Allowances are the spoofing blocks that list addresses, in the policy's order.
	Allowances []Allowance `json:"allowances,omitempty"`
	// Strays are the ports of veths that are no known container's: an image build's.
	// Sorted.
	Strays []Station `json:"strays,omitempty"`
	// Hosts are the host's addresses on Docker's bridges, which no stray may claim.
	// Sorted.
	Hosts []netip.Addr `json:"hosts,omitempty"`
	// Group is the NFLOG group, and Prefix the prefix, of reports of dropped frames; if
	// Prefix is empty, none is reported.
	Group  uint16 `json:"group,omitempty"`
	Prefix string `json:"prefix,omitempty"`
}

// Station is an Ethernet address at a port.
type Station struct {
	Port int `json:"port"`
	MAC  MAC `json:"mac"`
}

// Compare orders stations by port, then by Ethernet address.
func (s Station) Compare(o Station) int {
	return cmp.Or(cmp.Compare(s.Port, o.Port), s.MAC.Compare(o.MAC))
}

// Sender is an IP address of a station.
type Sender struct {
	Station
	Addr netip.Addr `json:"addr"`
}

// Compare orders senders by station, then by address.
func (s Sender) Compare(o Sender) int {
	return cmp.Or(s.Station.Compare(o.Station), s.Addr.Compare(o.Addr))
}

// Allowance lets stations send from further addresses.
type Allowance struct {
	// Name is the block's.
	Name string `json:"name"`
	// Prefixes are its addresses: sorted, and none is part of another.
	Prefixes []netip.Prefix `json:"prefixes"`
	// Stations are those of the containers that it is for. Sorted.
	Stations []Station `json:"stations,omitempty"`
}

// Covers reports whether the address is one of the allowance's.
func (a Allowance) Covers(addr netip.Addr) bool {
	return slices.ContainsFunc(a.Prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// sameRules reports whether both need the same rules: they differ at most in members
// of sets that change with containers.
func (g Guard) sameRules(o Guard) bool {
	return g.On == o.On && g.HoldUnknown == o.HoldUnknown && g.Group == o.Group && g.Prefix == o.Prefix &&
		slices.EqualFunc(g.Allowances, o.Allowances, func(a, b Allowance) bool {
			return a.Name == b.Name && slices.Equal(a.Prefixes, b.Prefixes)
		})
}

func (g Guard) equal(o Guard) bool {
	return g.sameRules(o) && slices.Equal(g.Free, o.Free) && slices.Equal(g.Senders, o.Senders) && slices.Equal(g.Strays, o.Strays) &&
		slices.Equal(g.Hosts, o.Hosts) &&
		slices.EqualFunc(g.Allowances, o.Allowances, func(a, b Allowance) bool { return slices.Equal(a.Stations, b.Stations) })
}

// Stations returns the stations of Senders, sorted, each once.
func (g Guard) Stations() []Station {
	all := make([]Station, 0, len(g.Senders))
	for _, s := range g.Senders {
		if n := len(all); n == 0 || all[n-1] != s.Station {
			all = append(all, s.Station)
		}
	}
	return all
}

// Guarded returns the ports of Senders and Strays, sorted, each once.
func (g Guard) Guarded() []int {
	var all []int
	for _, s := range g.Senders {
		all = append(all, s.Port)
	}
	for _, s := range g.Strays {
		all = append(all, s.Port)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
