package hostnet

import (
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"dockwall/test/nstest"
)

// onlyVeth returns the one veth whose other end is elsewhere.
func onlyVeth(t *testing.T) Veth {
	t.Helper()
	_, veths, err := LinksAndVeths()
	nstest.Must(t, err)
	if len(veths) != 1 {
		t.Fatalf("veths into other namespaces: %+v, want one", veths)
	}
	return veths[0]
}

// TestPeerMAC asks for the address of a veth's other end from outside its
// namespace, and again after the one in there changed it.
func TestPeerMAC(t *testing.T) {
	host := nstest.New(t)
	inside := nstest.Add(t)
	nstest.Must(t, netns.Set(host))
	nstest.IP(t, "link add br0 type bridge", "link add port0 type veth peer name eth0", "link add near0 type veth peer name near1",
		"link set port0 master br0", "link set br0 up", "link set near0 up", "link set near1 up")
	peer, err := netlink.LinkByName("eth0")
	nstest.Must(t, err)
	nstest.Must(t, netlink.LinkSetNsFd(peer, int(inside)))
	nstest.IP(t, "link set port0 up")
	port := onlyVeth(t)
	if port.Ready || port.Master == 0 {
		t.Errorf("before the other end is up: %+v, want not ready, with a master", port)
	}
	nstest.In(t, inside, func() { nstest.IP(t, "link set eth0 address 02:42:ac:11:00:07", "link set eth0 up") })
	port = onlyVeth(t)
	if mac, err := port.PeerMAC(); err != nil || mac != "02:42:ac:11:00:07" || !port.Ready {
		t.Errorf("%+v: %q, %v", port, mac, err)
	}
	nstest.In(t, inside, func() { nstest.IP(t, "link set eth0 address 02:42:ac:11:00:08") })
	if mac, err := port.PeerMAC(); err != nil || mac != "02:42:ac:11:00:08" {
		t.Errorf("asked again: %q, %v", mac, err)
	}
	nstest.IP(t, "link del port0")
	if mac, err := port.PeerMAC(); err == nil {
		t.Errorf("a veth that is gone: %q, want an error", mac)
	}
}
