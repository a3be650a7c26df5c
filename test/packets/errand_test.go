package packets

import (
	"fmt"
	"net/netip"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// errand is one attempt that can be made in the town.
type errand struct {
	by person
	q  policy.Question
	// to is the name of the server that answers, if no rule refuses the packet.
	to outcome
}

func (e errand) String() string {
	s := fmt.Sprintf("%s %s (by %s) to %s %s", e.by.space.name, e.by.addr, e.q.NIC, netip.AddrPortFrom(e.q.Dest, e.q.Port), e.q.Proto)
	if e.q.DNAT.IsValid() {
		s += ", by nat to " + e.q.DNAT.String()
	}
	return s
}

// target is an address that can be dialled, and its ports that answer.
type target struct {
	name  string
	addr  netip.Addr
	ports []uint16
	nic   string // it is left by; empty if the host's own address, or a bridge's
}

func (w *town) targets() []target {
	var all []target
	for _, on := range append(bridges(), nics()...) {
		for _, a := range on.addrs(1) {
			all = append(all, target{"host", a, hostPorts(), ""})
		}
	}
	for _, p := range w.people {
		t := target{p.space.name, p.addr, containerPorts(), ""}
		if p.nic == "eth0" || p.nic == "eth1" {
			t.ports, t.nic = outsidePorts(), p.nic
		}
		all = append(all, t)
	}
	return all
}

// errands are all the attempts that can be made: everybody to everybody else,
// on every port that would answer. What never leaves a namespace or a NIC's
// wire is not the host's matter.
func (w *town) errands() []errand {
	var all []errand
	for _, by := range w.people {
		for _, to := range w.targets() {
			if by.addr.Is4() != to.addr.Is4() || by.space.name == to.name || by.nic == to.nic {
				continue
			}
			for _, port := range to.ports {
				for _, proto := range []rules.Protocol{netinfo.TCP, netinfo.UDP} {
					all = append(all, w.errand(by, to, port, proto))
				}
			}
		}
	}
	return all
}

func (w *town) errand(by person, to target, port uint16, proto rules.Protocol) errand {
	e := errand{by: by, to: outcome(to.name), q: policy.Question{NIC: by.nic, Source: by.addr, Dest: to.addr, Port: port, Proto: proto, Out: to.nic}}
	if to.name != "host" {
		return e
	}
	if e.q.DNAT = translated(by.nic, netip.AddrPortFrom(to.addr, port), proto); e.q.DNAT.IsValid() {
		for _, p := range w.people {
			if p.addr == e.q.DNAT.Addr() {
				e.to = outcome(p.space.name)
			}
		}
	}
	return e
}
