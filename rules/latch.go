package rules

import "net/netip"

// StampClass is what Stamp makes a packet's priority (skb->priority, as tc's
// CLASSIFY writes it): "dow" and a zero, which every qdisc takes for best effort.
// A priority is all that a rule of iptables can leave on a packet without
// anybody else's rule seeing it.
const StampClass = 0x646f7700

// Latch says which packets must have been judged: where one that begins a
// connection comes by without a Stamp, the rules are not there, and it is
// dropped. What is behind it, no flush of the rules opens.
//
//	from    NotDocker, Uplinks ─► to;  Docker ─► closed;  all others ─► to
//	to      NotDocker, Bridges ─► open;  Docker, other bridges ─► closed;  Elsewhere ─► open;  all others ─► closed
type Latch struct {
	// NotDocker, Docker and Elsewhere are the interfaces that the rules tell
	// apart, in the order in which they do.
	NotDocker, Docker, Elsewhere []Interface
	// Uplinks are those of Docker's interfaces by which strangers come in.
	Uplinks []Interface
	// Bridges are those that are bridges now and not Docker's. Rules know a new
	// interface by its name alone; the latch knows a bridge from a NIC or a tunnel, and
	// is closed to one that came since.
	Bridges []Interface
	// Ports are TCP ports of the host that are closed to all sources except loopback and
	// From. Nothing that comes to the host can be stamped, so these need no rule.
	Ports []PortRange
	From  []netip.Prefix
	// Tight: what the host itself sends is dropped with a stamp too. While the rules
	// were away anybody could connect to docker-proxy; it must not find OUTPUT's
	// rules back a moment later, and dial the container.
	Tight bool
}

// Interface is an interface's name, or with Prefix what all of them begin with.
type Interface struct {
	Name   string
	Prefix bool
}

// PortRange is Lo to Hi, both included.
type PortRange struct{ Lo, Hi uint16 }
