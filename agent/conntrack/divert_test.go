package conntrack

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

// A server that goes on sending reaches its client no more, nor the client it.
func TestDivertedAnswersLeadNowhere(t *testing.T) {
	l := newLab(t)
	l.tighten(t)
	var pairs []nstest.Pair
	for _, e := range bothFamilies() {
		pairs = append(pairs, l.DialThrough(t, e.family, e.listen, e.from, e.to))
	}
	l.closeDoor(t)
	table := openTable(t)
	for i, e := range bothFamilies() {
		p := pairs[i]
		if !passes(t, p.Server, p.Client) {
			t.Fatalf("%s: nothing passes before", e.to)
		}
		server, client := netip.MustParseAddrPort(e.listen), netip.MustParseAddrPort(e.from)
		as := netip.AddrPortFrom(netip.MustParseAddrPort(e.to).Addr(), 40000)
		nstest.Must(t, Delete(flowFrom(t, e, 40001)))
		nstest.Must(t, table.Divert(netinfo.TCP, server, client, as))
		if err := table.Divert(netinfo.TCP, server, client, as); !errors.Is(err, ErrFlowExists) {
			t.Errorf("%s: the second time: %v, want ErrFlowExists", e.to, err)
		}
		f := flowFrom(t, e, server.Port())
		if !f.SourceNATed() || f.Reply.DstPort != 40000 || f.Reply.Dst != as.Addr() {
			t.Errorf("%s: made %+v", e.to, f)
		}
		if passes(t, p.Server, p.Client) || passes(t, p.Client, p.Server) {
			t.Errorf("%s: something passes", e.to)
		}
		// The client refused what came from a port that it does not know.
		if _, err := unix.Write(p.Server, []byte("x")); err == nil {
			t.Errorf("%s: the server still takes it for open", e.to)
		}
	}
}
