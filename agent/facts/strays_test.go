package facts

import (
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// A veth on a Docker bridge is a stray half a second after it came if no container is
// known to have it, and never if one is.
func TestStrayPorts(t *testing.T) {
	snapshot := func() netinfo.Snapshot {
		return netinfo.Snapshot{Networks: []netinfo.Network{{ID: "n", Name: "front", Driver: "bridge", Bridge: "br-n"}},
			Links: []netinfo.Link{{Index: 2, Name: "br-n", Kind: "bridge"}, {Index: 3, Name: "virbr0", Kind: "bridge"},
				{Index: 11, Name: "veth11", Kind: "veth", Master: 2, Peer: "02:42:ac:12:00:02"}, {Index: 12, Name: "veth12", Kind: "veth", Master: 2, Peer: "02:42:ac:12:00:09"},
				{Index: 13, Name: "veth13", Kind: "veth", Master: 3, Peer: "02:42:ac:12:00:10"}, {Index: 14, Name: "veth14", Kind: "veth", Master: 2},
				{Index: 15, Name: "veth15", Kind: "veth", Master: 2}, {Index: 16, Name: "eth1", Master: 2}},
			Containers: []netinfo.Container{{ID: "c", Name: "web", Endpoints: []netinfo.Endpoint{{NetworkID: "n", MAC: "02:42:ac:12:00:02"}}}}}
	}
	// The other end of 14 is in another namespace, and not up yet; that of 15 is here.
	veths := []hostnet.Veth{{Index: 11}, {Index: 12}, {Index: 13}, {Index: 14}}
	strays := func(s netinfo.Snapshot) map[int]bool {
		all := map[int]bool{}
		for _, l := range s.Links {
			if l.Stray {
				all[l.Index] = true
			}
		}
		return all
	}
	ss, now := strayPorts{}, time.Now()
	s := snapshot()
	if wait := ss.into(&s, veths, now); wait != strangerTime || len(strays(s)) > 0 {
		t.Errorf("at once: wait %s, strays %v", wait, strays(s))
	}
	s = snapshot()
	if wait := ss.into(&s, veths, now.Add(strangerTime)); wait != 0 || len(strays(s)) != 2 || !strays(s)[12] || !strays(s)[15] {
		t.Errorf("later: wait %s, strays %v", wait, strays(s))
	}
	again := rememberStrays(s)
	s = snapshot()
	if again.into(&s, veths, now); !strays(s)[12] {
		t.Error("after a restart of the agent, a stray is held again")
	}
	s = snapshot()
	s.Containers[0].Endpoints[0].MAC = "02:42:ac:12:00:09"
	if ss.into(&s, veths, now.Add(2*strangerTime)); strays(s)[12] {
		t.Error("the engine tells of a container there, and it is a stray")
	}
}
