package hostnet

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

func TestLinksShowKindsMastersAndAddresses(t *testing.T) {
	nstest.New(t)
	nstest.IP(t, "link add br0 type bridge", "link add lan0 type bridge", "link add v0 type veth peer name v1",
		"link set v0 master br0", "link add vx0 type vxlan id 7 dstport 4789", "tuntap add tap0 mode tap",
		"addr add 192.0.2.7/24 dev lan0", "addr add 198.51.100.1 peer 198.51.100.2/32 dev lan0",
		"addr add 2001:db8::7/64 dev lan0 nodad", "addr add fe80::7/64 dev br0 nodad", "link set lan0 addrgenmode none", "link set lan0 up")
	got, err := Links()
	nstest.Must(t, err)
	index := func(name string) int {
		l, err := netlink.LinkByName(name)
		nstest.Must(t, err)
		return l.Attrs().Index
	}
	want := []netinfo.Link{
		{Name: "br0", Kind: "bridge", Addrs: prefixes("fe80::7/64")},
		{Name: "lan0", Kind: "bridge", Up: true, Addrs: prefixes("192.0.2.7/24", "198.51.100.1/32", "2001:db8::7/64")},
		{Name: "lo", Up: true, Addrs: prefixes("127.0.0.1/8", "::1/128")},
		{Name: "tap0", Kind: "tun"},
		{Name: "v0", Kind: "veth", Master: index("br0")},
		{Name: "v1", Kind: "veth"},
		{Name: "vx0", Kind: "vxlan"},
	}
	for i := range want {
		want[i].Index = index(want[i].Name)
	}
	// ifb and the like, which some kernels put into every namespace.
	got = withoutStrangers(got, want)
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func withoutStrangers(got, want []netinfo.Link) []netinfo.Link {
	names := map[string]bool{}
	for _, l := range want {
		names[l.Name] = true
	}
	var kept []netinfo.Link
	for _, l := range got {
		if names[l.Name] {
			kept = append(kept, l)
		}
	}
	return kept
}

func TestLinksFollowRenameAndRemoval(t *testing.T) {
	nstest.New(t)
	nstest.IP(t, "link add lan0 type bridge", "addr add 192.0.2.7/24 dev lan0", "link set lan0 name lan1")
	if got := find(t, "lan1"); len(got.Addrs) != 1 {
		t.Errorf("the renamed link is %+v", got)
	}
	nstest.IP(t, "addr del 192.0.2.7/24 dev lan1")
	if got := find(t, "lan1"); got.Addrs != nil {
		t.Errorf("after its address was removed the link is %+v", got)
	}
}

func find(t *testing.T, name string) netinfo.Link {
	t.Helper()
	links, err := Links()
	nstest.Must(t, err)
	for _, l := range links {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("no link %s among %+v", name, links)
	return netinfo.Link{}
}

func TestInterruptedDumpIsAskedAgain(t *testing.T) {
	asked := 0
	got, err := dump("things", func() ([]int, error) {
		if asked++; asked < 3 {
			return []int{1}, netlink.ErrDumpInterrupted
		}
		return []int{1, 2}, nil
	})
	if err != nil || len(got) != 2 || asked != 3 {
		t.Errorf("got %v, %v after %d tries", got, err, asked)
	}
	asked = 0
	if _, err = dump("things", func() ([]int, error) { asked++; return nil, netlink.ErrDumpInterrupted }); !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Errorf("a dump that is always interrupted gave %v", err)
	}
	if asked != dumpTries {
		t.Errorf("asked %d times, want %d", asked, dumpTries)
	}
	asked = 0
	if _, err = dump("things", func() ([]int, error) { asked++; return nil, errors.New("no") }); err == nil || asked != 1 {
		t.Errorf("another error: %v after %d tries", err, asked)
	}
}

func prefixes(s ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range s {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}
