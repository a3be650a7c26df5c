package kernel

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"dockwall/rules"
)

const (
	// beforeBridgeNF is the priority of the chain that looks at what comes in: before
	// ebtables' (-300) and br_netfilter (0), which shows packets to iptables.
	beforeBridgeNF = -310
	// afterEbtables is that of the other chains: after ebtables' filter (-200), and
	// before br_netfilter is done with what leaves.
	afterEbtables = -190
)

// Registers (enum nft_registers): the second and later words of the first one.
const (
	reg1   = unix.NFT_REG_1
	reg1w1 = unix.NFT_REG32_01
)

// frameWriter puts one transaction together.
type frameWriter struct {
	conn  *nftables.Conn
	table *nftables.Table
	sets  map[string]*nftables.Set
	// guard: the chains begin with those of rules.Guard.
	guard bool
}

func (w *frameWriter) addSet(s frameSet) error {
	set := &nftables.Set{Table: w.table, Name: s.name, KeyType: s.key, Interval: s.interval}
	if s.key.Name == nftables.TypeIFIndex.Name {
		set.KeyByteOrder = binaryutil.NativeEndian
	}
	w.sets[s.name] = set
	if err := w.conn.AddSet(set, nil); err != nil {
		return err
	}
	for part := range slices.Chunk(s.members, frameChunk) {
		if err := w.conn.SetAddElements(set, s.elements(part)); err != nil {
			return err
		}
	}
	return nil
}

// rules writes the chains.
//
//	prerouting  ─► IPv4, IPv6: to a group's Ethernet address alone? not tracked
//	            ─► IPv4, IPv6, ARP: from its own port? passes ─► foreign port? passes ─► a container's address? dropped
//	forward     ─► tagged, between ports of containers that are kept apart? dropped
//	input       ─► from a known place? passes ─► from a container's port? reported, dropped ─► reported
//	postrouting ─► to its own port? passes   ─► foreign port? passes ─► a container's address? dropped
func (w *frameWriter) rules(f rules.Frames) error {
	accept := nftables.ChainPolicyAccept
	base := func(name string, hook *nftables.ChainHook, priority nftables.ChainPriority) *nftables.Chain {
		return w.conn.AddChain(&nftables.Chain{Name: name, Table: w.table, Type: nftables.ChainTypeFilter, Hooknum: hook,
			Priority: nftables.ChainPriorityRef(priority), Policy: &accept})
	}
	if err := w.prerouting(f, base("prerouting", nftables.ChainHookPrerouting, beforeBridgeNF)); err != nil {
		return err
	}
	w.postrouting(base("postrouting", nftables.ChainHookPostrouting, afterEbtables))
	if f.Hold {
		if err := w.hold(f, base("input", nftables.ChainHookInput, afterEbtables)); err != nil {
			return err
		}
	}
	if f.NoTags {
		w.forward(base("forward", nftables.ChainHookForward, afterEbtables))
	}
	return nil
}

func (w *frameWriter) prerouting(f rules.Frames, c *nftables.Chain) error {
	in, v4, v6 := meta(expr.MetaKeyIIF), protocol(unix.ETH_P_IP), protocol(unix.ETH_P_IPV6)
	// Nearly every frame is IP: it meets the rules of its own protocol alone.
	ip4, ip6, arp := w.chain("prerouting4"), w.chain("prerouting6"), w.chain("prerouting_arp")
	if w.guard {
		if err := w.guarded(f.Guard, c, checked{ip4, ip6, arp}); err != nil {
			return err
		}
	}
	w.add(c, v4, goTo(ip4))
	w.add(c, v6, goTo(ip6))
	w.add(c, protocol(unix.ETH_P_ARP), goTo(arp))
	// Two tags of VLAN 0: the other rules see no IP packet, and the receiver takes
	// both off. A single tag is kept beside the packet, which is IP then.
	w.add(c, in, w.found(setForeign), ret())
	w.add(c, vlanZero(), protocol(unix.ETH_P_8021Q), drop())
	w.add(c, vlanZero(), protocol(unix.ETH_P_8021AD), drop())

	w.untracked(ip4, network(ip4Destination, 1, reg1), below224())
	w.untracked(ip6, network(ip6Destination, 1, reg1), notGroup6())
	w.only(ip4, v4, in, network(ip4Source, 4, reg1w1), setPlaces4, network(ip4Source, 4, reg1), setKnown4)
	w.only(arp, protocol(unix.ETH_P_ARP), in, network(arpSender, 4, reg1w1), setPlaces4, network(arpSender, 4, reg1), setKnown4)
	// A neighbour advertisement claims its target address, whatever its source is.
	advertised := w.chain("advertised")
	w.add(ip6, advertisement(), jump(advertised))
	w.only(ip6, v6, in, network(ip6Source, 16, reg1w1), setPlaces6, network(ip6Source, 16, reg1), setKnown6)
	w.only(advertised, v6, in, network(ndTarget, 16, reg1w1), setPlaces6, network(ndTarget, 16, reg1), setKnown6)
	return nil
}

// untracked keeps frames for a group's Ethernet address, but with an IP destination that
// is no group, from connection tracking: unicast holds for such a destination. Linux
// routes no such frame, so no rule of FORWARD judges it, and yet since Linux 6.8
// br_netfilter confirms its connection before it goes up from the bridge. The answers
// would pass, and so would all that the container sends after it.
func (w *frameWriter) untracked(c *nftables.Chain, destination, unicast []expr.Any) {
	toMany := []expr.Any{&expr.Range{Op: expr.CmpOpEq, Register: reg1,
		FromData: []byte{unix.PACKET_BROADCAST}, ToData: []byte{unix.PACKET_MULTICAST}}}
	w.add(c, meta(expr.MetaKeyPKTTYPE), toMany, destination, unicast, meta(expr.MetaKeyIIF), w.notFound(setForeign), []expr.Any{&expr.Notrack{}})
}

func (w *frameWriter) postrouting(c *nftables.Chain) {
	out, v4, v6 := meta(expr.MetaKeyOIF), protocol(unix.ETH_P_IP), protocol(unix.ETH_P_IPV6)
	ip4, ip6 := w.chain("postrouting4"), w.chain("postrouting6")
	w.add(c, v4, goTo(ip4))
	w.add(c, v6, goTo(ip6))
	w.only(ip4, v4, out, network(ip4Destination, 4, reg1w1), setPlaces4, network(ip4Destination, 4, reg1), setKnown4)
	w.only(ip6, v6, out, network(ip6Destination, 16, reg1w1), setPlaces6, network(ip6Destination, 16, reg1), setKnown6)
}

// only drops frames of a container's address that pass another port than its own,
// unless the port is foreign. second loads the address behind the port, first alone.
// kind is the chain's protocol once more: without it nft lists bytes, not addresses.
func (w *frameWriter) only(c *nftables.Chain, kind, port, second []expr.Any, places string, first []expr.Any, known string) {
	w.add(c, kind, port, second, w.found(places), ret())
	w.add(c, port, w.found(setForeign), ret())
	w.add(c, kind, first, w.found(known), drop())
}

// forward drops tagged frames between two ports. A port that is not known is
// taken for a container's only if it has the name of one's: a virtual machine that
// is started while no agent runs may use VLANs.
func (w *frameWriter) forward(c *nftables.Chain) {
	w.add(c, meta(expr.MetaKeyIIF), w.found(setForeign), ret())
	w.add(c, meta(expr.MetaKeyIIF), w.found(setTagged), ret())
	veth := []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1}, equal([]byte("veth"))}
	for _, tag := range []uint16{unix.ETH_P_8021Q, unix.ETH_P_8021AD} {
		w.add(c, veth, etherType(tag), drop())
	}
}

const (
	// setAsked are the ports that unknown addresses were reported of lately.
	setAsked = "asked"
	// askRate is how many packets of each port are reported a second, after a burst:
	// a container that invents addresses takes no other's share.
	askRate  = 10
	askBurst = 200
	askTime  = time.Minute
	askSize  = 65535
)

// hold stops what a container sends to the host, or through it, from an address
// that the agent has not seen at its port yet. What passes from one port to another
// is not held.
func (w *frameWriter) hold(f rules.Frames, c *nftables.Chain) error {
	if err := w.addMeter(setAsked); err != nil {
		return err
	}
	in := meta(expr.MetaKeyIIF)
	w.add(c, in, w.found(setForeign), ret())
	for _, set := range []string{setPlaces4, setSeen4} {
		w.add(c, protocol(unix.ETH_P_IP), in, network(ip4Source, 4, reg1w1), w.found(set), ret())
	}
	for _, set := range []string{setPlaces6, setSeen6} {
		w.add(c, protocol(unix.ETH_P_IPV6), in, network(ip6Source, 16, reg1w1), w.found(set), ret())
	}
	// A DHCP client has no address yet. Neighbour discovery, and reports of
	// multicast groups (behind a hop-by-hop header), say nothing about the sender.
	w.add(c, protocol(unix.ETH_P_IP), network(ip4Source, 4, reg1), []expr.Any{equal(make([]byte, 4))}, ret())
	w.add(c, protocol(unix.ETH_P_IPV6), network(ip6Source, 16, reg1), []expr.Any{equal(make([]byte, 16))}, ret())
	w.add(c, protocol(unix.ETH_P_IPV6), network(ip6Next, 1, reg1), []expr.Any{equal([]byte{unix.IPPROTO_HOPOPTS})},
		network(ip6Destination, 1, reg1), []expr.Any{equal([]byte{0xff})}, ret())
	w.add(c, protocol(unix.ETH_P_IPV6), network(ip6Next, 1, reg1), []expr.Any{equal([]byte{unix.IPPROTO_ICMPV6})},
		network(icmp6Type, 1, reg1), []expr.Any{&expr.Range{Op: expr.CmpOpEq, Register: reg1, FromData: []byte{133}, ToData: []byte{137}}}, ret())
	for _, kind := range []uint16{unix.ETH_P_IP, unix.ETH_P_IPV6} {
		w.add(c, protocol(kind), in, w.found(setBound), w.report(setAsked, f.Group, f.Prefix))
		w.add(c, protocol(kind), in, w.found(setBound), drop())
		w.add(c, protocol(kind), in, w.report(setAsked, f.Group, ""))
	}
	return nil
}

// addMeter adds the set that counts the reports of each port.
func (w *frameWriter) addMeter(name string) error {
	w.sets[name] = &nftables.Set{Table: w.table, Name: name, KeyType: nftables.TypeIFIndex, KeyByteOrder: binaryutil.NativeEndian,
		Dynamic: true, HasTimeout: true, Timeout: askTime, Size: askSize}
	return w.conn.AddSet(w.sets[name], nil)
}

// report reports some packets of each port, whose ifindex the register holds.
func (w *frameWriter) report(meter string, group uint16, prefix string) []expr.Any {
	log := &expr.Log{Key: 1 << unix.NFTA_LOG_GROUP, Group: group}
	if prefix != "" {
		log.Key |= 1 << unix.NFTA_LOG_PREFIX
		log.Data = []byte(prefix)
	}
	limit := &expr.Limit{Type: expr.LimitTypePkts, Rate: askRate, Unit: expr.LimitTimeSecond, Burst: askBurst}
	return []expr.Any{&expr.Dynset{SrcRegKey: reg1, SetName: meter, SetID: w.sets[meter].ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE), Exprs: []expr.Any{limit}}, log}
}

func (w *frameWriter) chain(name string) *nftables.Chain {
	return w.conn.AddChain(&nftables.Chain{Name: name, Table: w.table})
}

func (w *frameWriter) add(c *nftables.Chain, parts ...[]expr.Any) {
	w.conn.AddRule(&nftables.Rule{Table: w.table, Chain: c, Exprs: slices.Concat(parts...)})
}

// found holds if what the registers hold is a member of the set.
func (w *frameWriter) found(set string) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: reg1, SetName: set, SetID: w.sets[set].ID}}
}

// notFound holds if it is not.
func (w *frameWriter) notFound(set string) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: reg1, SetName: set, SetID: w.sets[set].ID, Invert: true}}
}

func jump(c *nftables.Chain) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: c.Name}}
}

func meta(key expr.MetaKey) []expr.Any { return []expr.Any{&expr.Meta{Key: key, Register: reg1}} }

// protocol holds for frames whose payload, below a tag that the kernel has taken
// off, is of this type.
func protocol(etherType uint16) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: reg1}, equal(binary.BigEndian.AppendUint16(nil, etherType))}
}

// Offsets in the network header.
const (
	ip4Source      = 12
	ip4Destination = 16
	ip6Next        = 6
	ip6Source      = 8
	ip6Destination = 24
	icmp6Type      = 40
	ndTarget       = 48
	arpSenderMAC   = 8 // of ARP for Ethernet and IPv4
	arpSender      = 14
	arpTarget      = 24
	advertises     = 136
)

// network loads bytes of the network header.
func network(offset, length, register uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}}
}

// advertisement holds for neighbour advertisements. Linux ignores those behind
// extension headers that a host may not put there (RFC 6980 for fragments).
func advertisement() []expr.Any {
	return slices.Concat(network(ip6Next, 1, reg1), []expr.Any{equal([]byte{unix.IPPROTO_ICMPV6})},
		network(icmp6Type, 1, reg1), []expr.Any{equal([]byte{advertises})})
}

// etherType holds for frames whose Ethernet header says so: a tag that the kernel
// keeps beside the packet counts as if it were still there.
func etherType(t uint16) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseLLHeader, Offset: 12, Len: 2}, equal(binary.BigEndian.AppendUint16(nil, t))}
}

// vlanZero holds for frames with a priority tag: the 12 bits of the VLAN's number
// are 0, in the tag that the kernel keeps beside the packet. It does so only for
// frames that have one.
func vlanZero() []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseLLHeader, Offset: 14, Len: 2},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 2, Mask: []byte{0x0f, 0xff}, Xor: []byte{0, 0}}, equal([]byte{0, 0})}
}
