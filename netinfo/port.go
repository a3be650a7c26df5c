package netinfo

import "cmp"

// Place is an address behind a bridge port.
type Place struct {
	// Port is the port's ifindex.
	Port int  `json:"port"`
	Addr Addr `json:"addr"`
}

// Compare orders places by port, then by address.
func (p Place) Compare(o Place) int {
	return cmp.Or(cmp.Compare(p.Port, o.Port), p.Addr.Compare(o.Addr))
}

// Ports finds the bridge port of each container, and the container behind each
// port, of one snapshot.
//
// A port belongs to the endpoint whose Ethernet address, as the engine gave it,
// the port's Link.Peer is. Neither the bridge's forwarding table nor ARP has a
// part in that: containers write both.
type Ports struct {
	byMAC map[portMAC]int
	// networks are the IDs of Docker's networks, by the ifindex of their bridge.
	networks map[int]string
	bridges  map[string]int
	masters  map[int]int
}

type portMAC struct {
	bridge int
	mac    string
}

// shared marks an Ethernet address that two ports of one bridge claim.
const shared = -1

// Ports returns the snapshot's ports.
func (s *Snapshot) Ports() Ports {
	p := Ports{byMAC: make(map[portMAC]int, len(s.Links)), networks: map[int]string{}, bridges: map[string]int{}, masters: make(map[int]int, len(s.Links))}
	ids := make(map[string]string, len(s.Networks))
	for _, n := range s.Networks {
		if n.Bridge != "" {
			ids[n.Bridge] = n.ID
		}
	}
	for _, l := range s.Links {
		if id, ok := ids[l.Name]; ok {
			p.networks[l.Index], p.bridges[id] = id, l.Index
		}
	}
	for _, l := range s.Links {
		if l.Master == 0 {
			continue
		}
		p.masters[l.Index] = l.Master
		if l.Peer == "" {
			continue
		}
		k := portMAC{l.Master, l.Peer}
		if _, twice := p.byMAC[k]; twice {
			p.byMAC[k] = shared
		} else {
			p.byMAC[k] = l.Index
		}
	}
	return p
}

// Of returns the ifindex of the endpoint's port; false if it is not known.
func (p Ports) Of(e Endpoint) (int, bool) {
	bridge, ok := p.bridges[e.NetworkID]
	if !ok || e.MAC == "" {
		return 0, false
	}
	port := p.byMAC[portMAC{bridge, e.MAC}]
	if port == shared {
		return 0, false
	}
	return port, port != 0
}

// Network returns the ID of the Docker network whose bridge the link is a port
// of; false if it is a port of none.
func (p Ports) Network(port int) (string, bool) {
	id, ok := p.networks[p.masters[port]]
	return id, ok
}
