package kernel

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"dockwall/rules"
)

// Registers of a key that begins with a port and an Ethernet address: the address's two
// words, and what follows them.
const (
	reg1mac = unix.NFT_REG32_01
	reg1w3  = unix.NFT_REG32_03
)

// chainSpoofed is where frames end that spoofing = "deny" drops.
const chainSpoofed = "spoofed"

// etherSource is the offset of the sender in the Ethernet header.
const etherSource = 6

// What a container may not say, in the transport header.
const (
	dhcpServer   = 67
	dhcpClient   = 68
	dhcp6Server  = 547
	icmpRedirect = 5
	icmpRouter   = 9 // RFC 1256
	icmp6Target  = 8 // offset, of neighbour solicitations and advertisements
)

// Types of ICMPv6.
const (
	listenerReport  = 131
	listenerDone    = 132
	routerAdvert    = 134
	solicits        = 135
	redirect6       = 137
	listenerReport2 = 143
)

// checked are the chains that frames which their ports may send go on to.
type checked struct{ ip4, ip6, arp *nftables.Chain }

// guardWriter writes the chains of a rules.Guard.
type guardWriter struct {
	*frameWriter
	g rules.Guard
	checked
	// spoofed ends what a frame of a guarded port must not do.
	spoofed *nftables.Chain
}

// guarded writes the chains of the guard, to which c leads.
//
//	IPv4, IPv6  ─► a container's own port, MAC and address? no router's or DHCP server's message? passes
//	            ─► foreign, free? passes ─► unknown? held ─► autoconfigured, a block's, or a stray's? passes
//	ARP         ─► the same, for the sender of the frame and of the message
//	all others  ─► foreign, free? pass (a tag makes a frame one of these)
//	else        ─► spoofed: reported, counted, dropped
func (w *frameWriter) guarded(g rules.Guard, c *nftables.Chain, to checked) error {
	gw := guardWriter{frameWriter: w, g: g, checked: to, spoofed: w.chain(chainSpoofed)}
	if g.Prefix != "" {
		if err := w.addMeter(setTold); err != nil {
			return err
		}
		w.add(gw.spoofed, meta(expr.MetaKeyIIF), w.report(setTold, g.Group, g.Prefix))
	}
	w.add(gw.spoofed, drop())
	ip4, ip6, arp, other := w.chain("guard4"), w.chain("guard6"), w.chain("guard_arp"), w.chain("guard_other")
	w.add(c, etherType(unix.ETH_P_IP), goTo(ip4))
	w.add(c, etherType(unix.ETH_P_IPV6), goTo(ip6))
	w.add(c, etherType(unix.ETH_P_ARP), goTo(arp))
	w.add(c, jump(other))
	gw.ip4(ip4)
	gw.ip6(ip6)
	gw.arpChain(arp)
	gw.passing(other, ret())
	w.add(other, goTo(gw.spoofed))
	return nil
}

// passing ends the chain for ports whose frames are not checked, and holds those that
// are unknown. A port that is not known is taken for a container's only if it has the
// name of one's: a virtual machine may start while no agent runs.
func (w guardWriter) passing(c *nftables.Chain, on []expr.Any) {
	in := meta(expr.MetaKeyIIF)
	w.add(c, in, w.found(setForeign), on)
	w.add(c, in, w.found(setFree), on)
	if w.g.HoldUnknown {
		veth := []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1}, equal([]byte("veth"))}
		w.add(c, in, w.notFound(setGuarded), veth, drop())
	}
	w.add(c, in, w.notFound(setGuarded), on)
}

func (w guardWriter) ip4(c *nftables.Chain) {
	own, lent := w.chain("own4_sends"), w.chain("lent4_sends")
	for _, sends := range []*nftables.Chain{own, lent} {
		w.add(sends, transport(unix.IPPROTO_UDP), port(0, dhcpServer), goTo(w.spoofed))
		for _, t := range []byte{icmpRedirect, icmpRouter} {
			w.add(sends, transport(unix.IPPROTO_ICMP), message(t), goTo(w.spoofed))
		}
	}
	// The address is its own: who else has it need not be looked up.
	w.untracked(own, network(ip4Destination, 1, reg1), below224())
	w.add(lent, goTo(w.checked.ip4))

	source := network(ip4Source, 4, reg1w3)
	w.add(c, station(), source, w.found(setOwn4), goTo(own))
	w.passing(c, goTo(w.checked.ip4))
	w.add(c, network(ip4Source, 4, reg1), []expr.Any{equal(make([]byte, 4))}, transport(unix.IPPROTO_UDP), port(0, dhcpClient), port(2, dhcpServer),
		station(), w.found(setStations), goTo(lent))
	for i := range w.g.Allowances {
		w.add(c, station(), w.found(numbered(setMore, i)), network(ip4Source, 4, reg1), w.found(numbered(setMore4, i)), goTo(lent))
	}
	w.stray(c, network(ip4Source, 4, reg1), setKnown4, setHosts4, goTo(lent))
	w.add(c, goTo(w.spoofed))
}

// stray passes frames of a stray's own MAC that say nothing about an address of a
// container or of the host, which claimed loads.
func (w guardWriter) stray(c *nftables.Chain, claimed []expr.Any, known, hosts string, on []expr.Any) {
	w.add(c, station(), w.found(setStrays), claimed, w.notFound(known), w.notFound(hosts), on)
}

func (w guardWriter) ip6(c *nftables.Chain) {
	own, lent := w.chain("own6_sends"), w.chain("lent6_sends")
	neighbours := w.neighbours()
	for _, sends := range []*nftables.Chain{own, lent} {
		w.add(sends, transport(unix.IPPROTO_UDP), port(0, dhcp6Server), goTo(w.spoofed))
		w.add(sends, transport(unix.IPPROTO_ICMPV6), jump(neighbours))
	}
	w.untracked(own, network(ip6Destination, 1, reg1), notGroup6())
	w.add(lent, goTo(w.checked.ip6))

	source := network(ip6Source, 16, reg1w3)
	w.add(c, station(), source, w.found(setOwn6), goTo(own))
	w.passing(c, goTo(w.checked.ip6))
	w.add(c, station(), source, identifier(), w.found(setIDs), goTo(lent))
	unset := w.chain("unspecified")
	w.add(c, network(ip6Source, 16, reg1), []expr.Any{equal(make([]byte, 16))}, goTo(unset))
	for i := range w.g.Allowances {
		w.add(c, station(), w.found(numbered(setMore, i)), network(ip6Source, 16, reg1), w.found(numbered(setMore6, i)), goTo(lent))
	}
	w.stray(c, network(ip6Source, 16, reg1), setKnown6, setHosts6, goTo(lent))
	w.add(c, goTo(w.spoofed))

	// Without an address yet: it asks whether its own is taken, and joins groups.
	target := transportHeader(icmp6Target, 16, reg1w3)
	icmp6 := transport(unix.IPPROTO_ICMPV6)
	w.add(unset, icmp6, message(solicits), station(), target, w.found(setOwn6), ret())
	w.add(unset, icmp6, message(solicits), station(), target, identifier(), w.found(setIDs), ret())
	for i := range w.g.Allowances {
		w.add(unset, icmp6, message(solicits), station(), w.found(numbered(setMore, i)), transportHeader(icmp6Target, 16, reg1), w.found(numbered(setMore6, i)), ret())
	}
	w.add(unset, icmp6, message(solicits), station(), w.found(setStrays), transportHeader(icmp6Target, 16, reg1), w.notFound(setKnown6), w.notFound(setHosts6), ret())
	for _, senders := range []string{setStations, setStrays} {
		for _, t := range []byte{listenerReport, listenerDone, listenerReport2} {
			w.add(unset, icmp6, message(t), station(), w.found(senders), ret())
		}
	}
	w.add(unset, goTo(w.spoofed))
}

// neighbours checks ICMPv6. An advertisement claims its target, whatever its source is;
// it is found behind extension headers too, where Linux believes it.
func (w guardWriter) neighbours() *nftables.Chain {
	c := w.chain("neighbours")
	for _, t := range []byte{routerAdvert, redirect6} {
		w.add(c, message(t), goTo(w.spoofed))
	}
	claims := w.chain("claims")
	w.add(c, message(advertises), goTo(claims))
	target := transportHeader(icmp6Target, 16, reg1w3)
	w.add(claims, station(), target, w.found(setOwn6), ret())
	w.add(claims, station(), target, identifier(), w.found(setIDs), ret())
	for i := range w.g.Allowances {
		w.add(claims, station(), w.found(numbered(setMore, i)), transportHeader(icmp6Target, 16, reg1), w.found(numbered(setMore6, i)), ret())
	}
	w.stray(claims, transportHeader(icmp6Target, 16, reg1), setKnown6, setHosts6, ret())
	w.add(claims, goTo(w.spoofed))
	return c
}

// arpChain checks ARP: the frame's sender, and the message's.
func (w guardWriter) arpChain(c *nftables.Chain) {
	on := goTo(w.arp)
	w.passing(c, on)
	// Ethernet and IPv4, 6 and 4 bytes long: only there the addresses are where the
	// next rules look.
	w.add(c, network(0, 6, reg1), []expr.Any{&expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: []byte{0, 1, 8, 0, 6, 4}}}, goTo(w.spoofed))
	sender := []expr.Any{&expr.Meta{Key: expr.MetaKeyIIF, Register: reg1},
		&expr.Payload{DestRegister: reg1mac, Base: expr.PayloadBaseNetworkHeader, Offset: arpSenderMAC, Len: 6}}
	w.add(c, sender, w.found(setStrays), station(), w.found(setStrays), network(arpSender, 4, reg1), w.notFound(setKnown4), w.notFound(setHosts4), on)
	w.add(c, station(), w.notFound(setStations), goTo(w.spoofed))
	w.add(c, sender, network(arpSender, 4, reg1w3), w.found(setOwn4), on)
	for i := range w.g.Allowances {
		w.add(c, sender, w.found(numbered(setMore, i)), network(arpSender, 4, reg1), w.found(numbered(setMore4, i)), on)
	}
	// A probe has no sender yet (RFC 5227), and asks about its own address.
	probe := [][]expr.Any{network(arpSender, 4, reg1), {equal(make([]byte, 4))}, network(6, 2, reg1), {equal([]byte{0, 1})}}
	w.add(c, append(probe, sender, network(arpTarget, 4, reg1w3), w.found(setOwn4), on)...)
	for i := range w.g.Allowances {
		w.add(c, append(probe, sender, w.found(numbered(setMore, i)), network(arpTarget, 4, reg1), w.found(numbered(setMore4, i)), on)...)
	}
	w.add(c, goTo(w.spoofed))
}

// station loads the port and the frame's sender.
func station() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIF, Register: reg1},
		&expr.Payload{DestRegister: reg1mac, Base: expr.PayloadBaseLLHeader, Offset: etherSource, Len: 6}}
}

// identifier takes the prefix off the IPv6 address behind a station.
func identifier() []expr.Any {
	mask := []byte{8: 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	return []expr.Any{&expr.Bitwise{SourceRegister: reg1w3, DestRegister: reg1w3, Len: 16, Mask: mask, Xor: make([]byte, 16)}}
}

// transport holds for packets of the protocol, behind extension headers too.
func transport(proto byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1}, equal([]byte{proto})}
}

// transportHeader loads bytes of the transport header, of which a later fragment has none.
func transportHeader(offset, length, register uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length}}
}

// port holds for a port of UDP: the source at offset 0, the destination at 2.
func port(offset uint32, number uint16) []expr.Any {
	return append(transportHeader(offset, 2, reg1), equal(binary.BigEndian.AppendUint16(nil, number)))
}

// message holds for a type of ICMP.
func message(kind byte) []expr.Any { return append(transportHeader(0, 1, reg1), equal([]byte{kind})) }

// below224 and notGroup6 hold for a first byte of a destination that is no group.
func below224() []expr.Any {
	return []expr.Any{&expr.Cmp{Op: expr.CmpOpLt, Register: reg1, Data: []byte{224}}}
}

func notGroup6() []expr.Any {
	return []expr.Any{&expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: []byte{0xff}}}
}
