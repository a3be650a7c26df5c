package hostnet

import (
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// onlyVeth returns the one veth whose other end is elsewhere.
func onlyVeth(t *testing.T) Veth {
	t.Helper()
	_, veths, err := LinksAndVeths()
	must(t, err)
	if len(veths) != 1 {
		t.Fatalf("veths into other namespaces: %+v, want one", veths)
	}
	return veths[0]
}

// TestPeerMAC asks for the address of a veth's other end from outside its
// namespace, and again after the one in there changed it.
func TestPeerMAC(t *testing.T) {
	host := newNetNS(t)
	inside := addNetNS(t)
	must(t, netns.Set(host))
	ip(t, "link add br0 type bridge", "link add port0 type veth peer name eth0", "link add near0 type veth peer name near1",
		"link set port0 master br0", "link set br0 up", "link set near0 up", "link set near1 up")
	peer, err := netlink.LinkByName("eth0")
	must(t, err)
	must(t, netlink.LinkSetNsFd(peer, int(inside)))
	ip(t, "link set port0 up")
	port := onlyVeth(t)
	if port.Ready || port.Master == 0 {
		t.Errorf("before the other end is up: %+v, want not ready, with a master", port)
	}
	in(t, inside, func() { ip(t, "link set eth0 address 02:42:ac:11:00:07", "link set eth0 up") })
	port = onlyVeth(t)
	if mac, err := port.PeerMAC(); err != nil || mac != "02:42:ac:11:00:07" || !port.Ready {
		t.Errorf("%+v: %q, %v", port, mac, err)
	}
	in(t, inside, func() { ip(t, "link set eth0 address 02:42:ac:11:00:08") })
	if mac, err := port.PeerMAC(); err != nil || mac != "02:42:ac:11:00:08" {
		t.Errorf("asked again: %q, %v", mac, err)
	}
	ip(t, "link del port0")
	if mac, err := port.PeerMAC(); err == nil {
		t.Errorf("a veth that is gone: %q, want an error", mac)
	}
}
