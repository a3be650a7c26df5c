package facts

import (
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// bridgePorts remembers the Ethernet address that the container's end of each veth
// had when it came into use. A container with CAP_NET_ADMIN may change it later;
// that changes nothing here. Empty: two ports claimed one address, and the later
// one, or both if neither is the later, are not believed as long as they exist.
type bridgePorts map[portLink]string

type portLink struct {
	index int
	name  string
}

// rememberPorts starts from the links that an earlier run knew.
func rememberPorts(last netinfo.Snapshot) bridgePorts {
	ps := bridgePorts{}
	for _, l := range last.Links {
		if l.Peer != "" {
			ps[portLink{l.Index, l.Name}] = l.Peer
		}
	}
	return ps
}

// claim is an Ethernet address on a bridge.
type claim struct {
	bridge int
	mac    string
}

// into sets Peer of the links. Only veths that were not asked about before are,
// and only when both ends are up: before that their address may not be final. A
// veth that does not answer is asked about again next time.
func (ps bridgePorts) into(links []netinfo.Link, veths []hostnet.Veth, ask func(hostnet.Veth) (string, error)) {
	names := make(map[int]string, len(links))
	current := make(map[portLink]bool, len(links))
	for _, l := range links {
		names[l.Index] = l.Name
		current[portLink{l.Index, l.Name}] = true
	}
	for k := range ps {
		if !current[k] {
			delete(ps, k)
		}
	}
	ps.bind(names, veths, ask)
	for i := range links {
		links[i].Peer = ps[portLink{links[i].Index, links[i].Name}]
	}
}

func (ps bridgePorts) bind(names map[int]string, veths []hostnet.Veth, ask func(hostnet.Veth) (string, error)) {
	taken := map[claim]bool{}
	var fresh []hostnet.Veth
	for _, v := range veths {
		mac, known := ps[portLink{v.Index, names[v.Index]}]
		switch {
		case known && mac != "":
			taken[claim{v.Master, mac}] = true
		case !known && v.Ready && v.Master != 0:
			fresh = append(fresh, v)
		}
	}
	first := map[claim]portLink{}
	for _, v := range fresh {
		mac, err := ask(v)
		if err != nil {
			continue // it is going away, or its namespace is
		}
		at, c := portLink{v.Index, names[v.Index]}, claim{v.Master, mac}
		ps[at] = mac
		if taken[c] {
			ps[at] = ""
		} else if other, twice := first[c]; twice {
			ps[at], ps[other] = "", ""
		} else {
			first[c] = at
		}
	}
}
