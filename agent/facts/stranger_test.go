package facts

import (
	"net/netip"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// answered is an engine that lists no address that is not in the snapshot.
func answered(string, netinfo.Addr, time.Time) (read, claimed bool) { return true, false }

// An address is no container's only when the engine has answered a question that was asked
// after it was seen. An engine that is away, or gives no answer for long, holds up none.
func TestStrangerWaitsForTheEngine(t *testing.T) {
	began := time.Now()
	a := netip.MustParseAddr("172.18.0.77")
	for _, c := range []struct {
		name                     string
		connected, read, claimed bool
		after                    time.Duration
		want                     bool
	}{
		{"at once", true, true, false, strangerTime / 2, false},
		{"answered", true, true, false, strangerTime, true},
		{"not answered yet", true, false, false, strangerBound - 1, false},
		{"not answered for long", true, false, false, strangerBound, true},
		{"away", false, false, false, strangerTime, true},
		{"a container is in the making", true, true, true, strangerBound, false},
	} {
		ask := func(network string, of netinfo.Addr, since time.Time) (bool, bool) {
			if network != "a" || of != a || !since.Equal(began) {
				t.Errorf("%s: asked for %s on %s since %v", c.name, of, network, since)
			}
			return c.read, c.claimed
		}
		byMAC, byPort := twoBridges(), twoBridges()
		byMAC.Engine.Connected, byPort.Engine.Connected = c.connected, c.connected
		ns, ss := neighbors{}, newSightings()
		ns.note(hostnet.Neighbor{Link: 3, Addr: a, MAC: "02:42:00:00:00:77"}, began)
		ns.into(&byMAC, ask, began.Add(c.after))
		ss.note(netinfo.Place{Port: 13, Addr: a}, began, masters(byPort.Links))
		ss.into(&byPort, ask, began.Add(c.after))
		if m, p := len(byMAC.Strangers) == 1, len(byPort.Strangers) == 1; m != c.want || p != c.want {
			t.Errorf("%s: a stranger by its Ethernet address: %t, by its port: %t, want %t", c.name, m, p, c.want)
		}
	}
}

// The address of a container that is gone is forgotten: another container with the same
// Ethernet address may use it before the engine names it.
func TestGoneContainersAddressIsForgotten(t *testing.T) {
	s, now, ns := twoBridges(), time.Now(), neighbors{}
	bobs := s.Containers[1].Endpoints[0]
	n := hostnet.Neighbor{Link: 3, Addr: bobs.Addrs[0], MAC: bobs.MAC}
	ns.note(n, now.Add(-time.Hour))
	ns.into(&s, answered, now)
	s.Containers = s.Containers[:1]
	if ns.into(&s, answered, now); len(s.Strangers) > 0 {
		t.Errorf("%v is a stranger at once", s.Strangers)
	}
	if !ns.note(n, now) {
		t.Error("its next use is no news")
	}
	ns.into(&s, answered, now.Add(strangerTime/2))
	if len(s.Strangers) > 0 {
		t.Errorf("%v is a stranger before its time", s.Strangers)
	}
	if ns.into(&s, answered, now.Add(strangerTime)); len(s.Strangers) != 1 {
		t.Errorf("strangers are %v, want one", s.Strangers)
	}
}
