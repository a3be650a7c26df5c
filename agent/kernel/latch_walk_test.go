package kernel

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/trace"
)

// traced is a packet as rules/trace knows it, in the kernel's registers.
func traced(p trace.Packet) packet {
	out := packet{meta: map[expr.MetaKey][]byte{expr.MetaKeyL4PROTO: {byte(p.Proto)}, expr.MetaKeyPRIORITY: word(0)}, ct: map[expr.CtKey][]byte{}}
	if p.In != "" {
		out.meta[expr.MetaKeyIIFNAME] = ifname(p.In)
	}
	if p.Out != "" {
		out.meta[expr.MetaKeyOIFNAME] = ifname(p.Out)
		out.meta[27] = ifname("veth") // NFT_META_OIFKIND
	}
	if p.OutBridge {
		out.meta[27] = ifname("bridge")
	}
	if p.Stamped {
		out.meta[expr.MetaKeyPRIORITY] = word(rules.StampClass)
	}
	state := map[rules.ConnState]uint32{rules.StateInvalid: 1, rules.StateEstablished: 2, rules.StateRelated: 4, rules.StateNew: 8, rules.StateUntracked: 64}[p.Conn.State]
	out.ct[expr.CtKeySTATE] = word(state)
	if p.Conn.State != rules.StateInvalid && p.Conn.State != rules.StateUntracked { // they have no entry, and so no status
		status := uint32(1 << 1)
		if p.Conn.Confirmed || p.Conn.State == rules.StateEstablished {
			status |= 1 << 3
		}
		out.ct[expr.CtKeySTATUS] = word(status)
	}
	if p.Src.Is4() {
		out.meta[expr.MetaKeyNFPROTO] = []byte{unix.NFPROTO_IPV4}
		out.network = append(append(make([]byte, 12), p.Src.AsSlice()...), p.Dst.AsSlice()...)
	} else {
		out.meta[expr.MetaKeyNFPROTO] = []byte{unix.NFPROTO_IPV6}
		out.network = append(append(make([]byte, 8), p.Src.AsSlice()...), p.Dst.AsSlice()...)
	}
	out.payload = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, p.SrcPort), p.DstPort)
	return out
}

// What the latch's messages make the kernel do is what trace says of its ruleset.
func TestLatchMessagesMeanTheRuleset(t *testing.T) {
	dropped := 0
	rapid.Check(t, func(rt *rapid.T) {
		want := latched()
		want.Tight = rapid.Bool().Draw(rt, "tight")
		if rapid.Bool().Draw(rt, "no ports") {
			want.Ports, want.From = nil, nil
		}
		w := newTables(t)
		l := Latch{conn: w.conn, table: (&Latch{}).inet()}
		must(t, l.write(want))
		must(t, w.conn.Flush())
		m := trace.New(want.Ruleset())
		nic := rapid.SampledFrom([]string{"br-lan", "br-wan", "docker0", "br-0123456789ab", "virbr0", "eth0", "new0", "lo"})
		source := rapid.SampledFrom([]string{"192.0.2.9", "192.0.2.13", "198.51.100.7", "2001:db8::9", "2001:db8:0:4::9"})
		for range 10 {
			p := trace.Packet{In: nic.Draw(rt, "in"), Out: nic.Draw(rt, "out"), Src: netip.MustParseAddr(source.Draw(rt, "source")),
				Proto: rapid.SampledFrom([]rules.Protocol{netinfo.TCP, netinfo.UDP}).Draw(rt, "proto"), SrcPort: 40000,
				DstPort:   rapid.Uint16Range(2374, 2377).Draw(rt, "port"),
				OutBridge: rapid.Bool().Draw(rt, "bridge"), Stamped: rapid.Bool().Draw(rt, "stamped"),
				Conn: trace.Conn{State: rapid.SampledFrom([]rules.ConnState{rules.StateNew, rules.StateNew, rules.StateRelated, rules.StateEstablished, rules.StateInvalid, rules.StateUntracked}).Draw(rt, "state")}}
			p.Conn.Confirmed = p.Conn.State == rules.StateRelated && rapid.Bool().Draw(rt, "confirmed")
			p.Dst = map[bool]netip.Addr{true: netip.MustParseAddr("172.17.0.2"), false: netip.MustParseAddr("fd17::2")}[p.Src.Is4()]
			for base, chain := range map[rules.Base]string{rules.BaseForward: "forward", rules.BaseOutput: "output", rules.BaseInput: "input"} {
				q := p
				switch base {
				case rules.BaseInput:
					q.Out, q.OutBridge = "", false
				case rules.BaseOutput:
					q.In = ""
				}
				got := w.walk((&Latch{}).inet(), chain, traced(q))
				if said := m.RunLatch(q, base); got.dropped != (said.Verdict == trace.Drop) {
					rt.Fatalf("%s of %+v: the messages drop it: %v, trace says %s", chain, q, got.dropped, said.Verdict)
				}
				if got.dropped {
					dropped++
				}
			}
		}
	})
	if dropped == 0 {
		t.Errorf("%d packets were dropped: this shows little", dropped)
	}
}

// The chains are hooked where the latch belongs: after the guard, in both families.
func TestLatchChainsAreHooked(t *testing.T) {
	w := newTables(t)
	l := Latch{conn: w.conn, table: (&Latch{}).inet()}
	must(t, l.write(latched()))
	must(t, w.conn.Flush())
	hooked := map[string]bool{}
	for _, m := range w.sent {
		if m.Header.Type != nftType(unix.NFT_MSG_NEWCHAIN) {
			continue
		}
		if m.Data[0] != unix.NFPROTO_INET {
			t.Errorf("a chain of family %d", m.Data[0])
		}
		hooked[text(t, m, unix.NFTA_CHAIN_NAME)] = text(t, m, unix.NFTA_CHAIN_TYPE) == string(nftables.ChainTypeFilter)
	}
	for name, base := range map[string]bool{"to": false, "ports": false, "forward": true, "output": true, "input": true} {
		if got, there := hooked[name]; !there || got != base {
			t.Errorf("chain %s: there %v, hooked %v, want %v", name, there, got, base)
		}
	}
}
