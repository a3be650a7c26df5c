package facts

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// bridged is a host with one container on docker0, 172.17.0.2.
func bridged() *Collector {
	return &Collector{addrsUsed: addrsUsed{neighbors: neighbors{}}, linksRead: linksRead{links: []netinfo.Link{{Index: 3, Name: "docker0", Kind: "bridge",
		Addrs: []netinfo.Prefix{netip.MustParsePrefix("172.17.0.1/16")}},
		{Index: 4, Name: "eth0", Addrs: []netinfo.Prefix{netip.MustParsePrefix("203.0.113.1/24")}}}}}
}

func (c *Collector) assembled(now time.Time) netinfo.Snapshot {
	s := netinfo.Snapshot{Links: c.links, Networks: []netinfo.Network{{ID: "n", Bridge: "docker0"}},
		Containers: []netinfo.Container{{ID: "c", Name: "web", Endpoints: []netinfo.Endpoint{{NetworkID: "n", MAC: "02:42:ac:11:00:02",
			Addrs: []netinfo.Addr{netip.MustParseAddr("172.17.0.2")}}}}}}
	c.neighbors.into(&s, answered, now)
	s.Normalize()
	return s
}

func saw(addr, mac string, link int) hostnet.Neighbor {
	return hostnet.Neighbor{Link: link, Addr: netip.MustParseAddr(addr), MAC: mac}
}

func TestSawTellsWhoseAddressItIs(t *testing.T) {
	c := bridged()
	told := 0
	c.told = func() { told++ }
	second, build, own, behind := "172.17.0.99", "172.17.0.7", "172.17.0.2", "10.8.0.5"
	c.Saw(saw(behind, "02:42:ac:11:00:02", 3))
	c.Saw(saw(second, "02:42:ac:11:00:02", 3))
	c.Saw(saw(build, "02:42:00:00:00:07", 3))
	c.Saw(saw(own, "02:42:ac:11:00:02", 3))
	c.Saw(saw(second, "02:42:ac:11:00:02", 3)) // no news
	for _, useless := range []hostnet.Neighbor{saw("203.0.113.9", "02:42:00:00:00:09", 3), saw("172.17.0.8", "", 3), {Link: 3, MAC: "02:42:00:00:00:09"}, saw("172.17.0.8", "02:42:00:00:00:09", 0)} {
		c.Saw(useless)
	}
	if told != 4 {
		t.Errorf("told %d times, want 4", told)
	}
	s := c.assembled(time.Now())
	compare := cmpopts.EquateComparable(netip.Addr{})
	if d := cmp.Diff([]netip.Addr{netip.MustParseAddr(behind), netip.MustParseAddr(second)}, s.Containers[0].Endpoints[0].Seen, compare); d != "" {
		t.Errorf("the container's further addresses (-want +got):\n%s", d)
	}
	if len(s.Strangers) != 0 {
		t.Errorf("%v is nobody's already", s.Strangers)
	}
	s = c.assembled(time.Now().Add(strangerTime))
	if d := cmp.Diff([]netip.Addr{netip.MustParseAddr(build)}, s.Strangers, compare); d != "" {
		t.Errorf("nobody's addresses (-want +got):\n%s", d)
	}
}

func TestSawIsBounded(t *testing.T) {
	c := bridged()
	told := 0
	c.told = func() { told++ }
	// What the kernel knows takes no room, and is not given up.
	neighbor := saw("172.17.100.1", "02:42:00:00:00:06", 3)
	c.neighbors.note(neighbor, time.Now())
	for i := range 3 * heldPerLink {
		c.Saw(saw(fmt.Sprintf("172.17.%d.%d", 1+i/250, 1+i%250), "02:42:00:00:00:07", 3))
	}
	if len(c.neighbors) != heldPerLink+1 || told != heldPerLink {
		t.Errorf("%d addresses are kept, %d were told of, want %d", len(c.neighbors), told, heldPerLink)
	}
	// A link that nobody knows yet has room of its own.
	c.Saw(saw("172.18.0.2", "02:42:00:00:00:08", 4))
	if told != heldPerLink+1 {
		t.Error("one link takes another's room")
	}
	for k, u := range c.neighbors {
		u.since = u.since.Add(-heldTime - time.Second)
		c.neighbors[k] = u
	}
	c.Saw(saw("172.17.9.9", "02:42:00:00:00:09", 3))
	if _, ok := c.neighbors[use{3, netip.MustParseAddr("172.17.9.9")}]; !ok {
		t.Error("old addresses make no room")
	}
	if _, ok := c.neighbors[use{3, neighbor.Addr}]; !ok {
		t.Error("a neighbour of the kernel's was given up")
	}
}
