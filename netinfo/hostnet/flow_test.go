package hostnet

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

func tuple(src, dst string) Tuple {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return Tuple{Src: s.Addr(), Dst: d.Addr(), SrcPort: s.Port(), DstPort: d.Port()}
}

func flows(t *testing.T, family int, proto netinfo.Protocol) []Flow {
	t.Helper()
	all, err := ConnFlows(family)
	nstest.Must(t, err)
	var some []Flow
	for _, f := range all {
		if f.Proto == proto {
			some = append(some, f)
		}
	}
	return some
}

func TestFlowsShowWhatWasPublished(t *testing.T) {
	l := nstest.NewLab(t)
	l.DialThrough(t, unix.AF_INET, "172.30.0.2:80", "192.0.2.2:40001", "192.0.2.1:8080")
	l.DialThrough(t, unix.AF_INET6, "[fd00::2]:80", "[2001:db8::2]:40001", "[2001:db8::1]:8080")
	established := TCPFlow{State: 3}
	want := map[int]Flow{
		4: {Proto: netinfo.TCP, TCP: established, Mark: 7, Original: tuple("192.0.2.2:40001", "192.0.2.1:8080"),
			Reply: tuple("172.30.0.2:80", "192.0.2.2:40001")},
		6: {Proto: netinfo.TCP, TCP: established, Original: tuple("[2001:db8::2]:40001", "[2001:db8::1]:8080"),
			Reply: tuple("[fd00::2]:80", "[2001:db8::2]:40001")},
	}
	for _, family := range []int{4, 6} {
		got := flows(t, family, netinfo.TCP)
		ignore := cmpopts.IgnoreFields(Flow{}, "Status", "ID")
		if diff := cmp.Diff([]Flow{want[family]}, got, ignore, equalAddrs); diff != "" {
			t.Fatalf("IPv%d flows (-want +got):\n%s", family, diff)
		}
		if f := got[0]; !f.DestNATed() || f.SourceNATed() || !f.SeenReply() || !f.Assured() || f.ID == 0 {
			t.Errorf("IPv%d flow %+v: want destination NAT, replies, an ID", family, f)
		}
	}
}

func TestFlowsOfAnEmptyNamespace(t *testing.T) {
	nstest.New(t)
	for _, family := range []int{4, 6} {
		if got, err := ConnFlows(family); err != nil || len(got) != 0 {
			t.Errorf("IPv%d: %v, %v", family, got, err)
		}
	}
}

func TestFamilyMustBe4Or6(t *testing.T) {
	if _, err := ConnFlows(10); err == nil {
		t.Error("IP version 10 was taken")
	}
	if _, err := NFTChains(5, "filter"); err == nil {
		t.Error("IP version 5 was taken")
	}
	if _, err := TCPConnections(5); err == nil {
		t.Error("IP version 5 was taken")
	}
}
