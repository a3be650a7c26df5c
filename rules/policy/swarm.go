package policy

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
)

// Swarm is the swarm block: the other nodes of the Swarm that this host is in.
type Swarm struct {
	// Peers are the nodes; if empty, none.
	Peers  AddressList
	Origin rules.Origin
}

// The ports by which the nodes of a Swarm reach each other, unless dockerd was told
// other ones.
const (
	swarmManager  = 2377
	swarmGossip   = 7946
	swarmDataPath = 4789
)

// SwarmPorts are the host's ports that the nodes of a Swarm use, on this engine: the
// managers', the gossip's, and those of VXLAN. Only a manager's
// engine knows another port of the data path. ESP is a protocol of its own and has none.
func SwarmPorts(e netinfo.Engine) []Ports {
	ports := []Ports{
		{Proto: netinfo.TCP, Lo: swarmManager, Hi: swarmManager},
		{Proto: netinfo.TCP, Lo: swarmGossip, Hi: swarmGossip},
		{Proto: netinfo.UDP, Lo: swarmDataPath, Hi: swarmDataPath},
		{Proto: netinfo.UDP, Lo: swarmGossip, Hi: swarmGossip},
	}
	if p := e.DataPathPort; p != 0 && p != swarmDataPath {
		ports = append(ports, Ports{Proto: netinfo.UDP, Lo: p, Hi: p})
	}
	return ports
}

func (b *Swarm) entry() Entry {
	return Entry{Kind: rules.KindSwarm, Origin: b.Origin, From: Side{Addresses: &b.Peers}}
}

// isSwarm reports whether the swarm block judges the packet, which is for the host.
func (e eval) isSwarm() bool {
	if e.p.Swarm == nil {
		return false
	}
	return e.q.Proto == netinfo.ESP ||
		slices.ContainsFunc(SwarmPorts(e.s.Engine), func(p Ports) bool { return p.Contains(e.q.Proto, e.q.Port) })
}

// swarm lets in the other nodes alone, from wherever they come.
func (e eval) swarm() Answer {
	b := e.p.Swarm
	return answer(within(b.Peers, AddressList{}, e.q.Source), rules.KindSwarm, "", b.Origin, ClassSwarm)
}
