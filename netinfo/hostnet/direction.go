package hostnet

import "dockwall/netinfo"

// Direction is one direction of a connection, as its packets enter the host or
// leave a socket of it: before NAT.
type Direction struct {
	Proto netinfo.Protocol
	Tuple
	// NIC limits it to packets that come in by this interface; empty if any.
	NIC string
	// Brief: the connection would end by itself after some seconds without packets.
	Brief bool
}

// Forth is the direction of the flow's first packet.
func (f Flow) Forth() Direction { return Direction{Proto: f.Proto, Tuple: f.Original} }

// Back is the direction of the answers to it.
func (f Flow) Back() Direction { return Direction{Proto: f.Proto, Tuple: f.Reply} }
