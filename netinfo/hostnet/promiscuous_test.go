package hostnet

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"dockwall/test/nstest"
)

// TestPromiscuous asks for the interfaces of a process in another namespace, which is not
// entered: one that takes every frame is named, ports of a bridge in there are not.
func TestPromiscuous(t *testing.T) {
	host := nstest.New(t)
	inside := nstest.Add(t)
	nstest.Must(t, netns.Set(host))
	nstest.IP(t, "link add port0 type veth peer name eth0", "link set port0 promisc on")
	var sleep *exec.Cmd
	nstest.In(t, inside, func() {
		sleep = exec.Command("sleep", "600")
		nstest.Must(t, sleep.Start())
	})
	t.Cleanup(func() { _ = sleep.Process.Kill(); _ = sleep.Wait() })
	wantPromiscuous := func(want ...string) {
		t.Helper()
		if got, err := Promiscuous(sleep.Process.Pid); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	if got, err := Promiscuous(sleep.Process.Pid); err == nil {
		t.Errorf("a namespace that has no number here: %v, want an error", got)
	}
	peer, err := netlink.LinkByName("eth0")
	nstest.Must(t, err)
	nstest.Must(t, netlink.LinkSetNsFd(peer, int(inside)))
	wantPromiscuous()
	nstest.In(t, inside, func() {
		nstest.IP(t, "link set eth0 promisc on", "link add nested type bridge", "link add a0 type veth peer name a1", "link set a0 master nested")
	})
	wantPromiscuous("eth0")
	nstest.In(t, inside, func() { nstest.IP(t, "link set eth0 promisc off", "link set a1 promisc on") })
	wantPromiscuous("a1")
	nstest.Must(t, sleep.Process.Kill())
	_ = sleep.Wait()
	if got, err := Promiscuous(sleep.Process.Pid); err == nil {
		t.Errorf("a process that has ended: %v, want an error", got)
	}
}
