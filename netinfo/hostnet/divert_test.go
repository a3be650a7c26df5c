package hostnet

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// A server that goes on sending reaches its client no more, nor the client it.
func TestDivertedAnswersLeadNowhere(t *testing.T) {
	l := newLab(t)
	l.tighten(t)
	var pairs []pair
	for _, e := range bothFamilies() {
		pairs = append(pairs, l.dialThrough(t, e.family, e.listen, e.from, e.to))
	}
	l.closeDoor(t)
	table := openTable(t)
	for i, e := range bothFamilies() {
		p := pairs[i]
		if !passes(t, p.server, p.client) {
			t.Fatalf("%s: nothing passes before", e.to)
		}
		server, client := netip.MustParseAddrPort(e.listen), netip.MustParseAddrPort(e.from)
		as := netip.AddrPortFrom(netip.MustParseAddrPort(e.to).Addr(), 40000)
		must(t, DeleteFlow(flowFrom(t, e, 40001)))
		must(t, table.Divert(netinfo.TCP, server, client, as))
		if err := table.Divert(netinfo.TCP, server, client, as); !errors.Is(err, ErrFlowExists) {
			t.Errorf("%s: the second time: %v, want ErrFlowExists", e.to, err)
		}
		f := flowFrom(t, e, server.Port())
		if !f.SourceNATed() || f.Reply.DstPort != 40000 || f.Reply.Dst != as.Addr() {
			t.Errorf("%s: made %+v", e.to, f)
		}
		if passes(t, p.server, p.client) || passes(t, p.client, p.server) {
			t.Errorf("%s: something passes", e.to)
		}
		// The client refused what came from a port that it does not know.
		if _, err := unix.Write(p.server, []byte("x")); err == nil {
			t.Errorf("%s: the server still takes it for open", e.to)
		}
	}
}
