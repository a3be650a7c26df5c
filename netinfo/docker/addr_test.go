package docker

import (
	"net/netip"
	"testing"
	"time"

	"dockwall/netinfo/docker/dockertest"
)

// TestAddr: what was read before an address came into use says nothing of it, however late
// the answer comes; the next read does.
func TestAddr(t *testing.T) {
	every(t, func(t *testing.T, gen dockertest.Generation) {
		e := newEngine(t, gen)
		b := follow(t, e)
		b.connected()
		bridge, unused := e.NetworkID("bridge"), netip.MustParseAddr("172.17.0.200")
		e.DropEvents(true) // the engine names the container late
		asked, answer := make(chan struct{}, 10), make(chan struct{})
		e.Delay("/networks/"+bridge, func() { asked <- struct{}{}; <-answer })
		early := time.Now()
		b.source.Addr(bridge, unused, early)
		<-asked // the engine has put an answer together, in which the container is not
		id := e.Create(dockertest.Container{Name: "web"})
		e.Start(id)
		seen := time.Now()
		addr := e.Addrs(id)[0]
		if read, claimed := b.source.Addr(bridge, addr, seen); read || claimed {
			t.Errorf("before any answer: read %t, claimed %t", read, claimed)
		}
		answer <- struct{}{}
		<-asked // the next read, which began after the address was seen
		if read, _ := b.source.Addr(bridge, unused, early); !read {
			t.Error("an answer does not count for an address that was seen before it was asked for")
		}
		if read, claimed := b.source.Addr(bridge, addr, seen); read || claimed {
			t.Errorf("after an answer to a read that began too early: read %t, claimed %t", read, claimed)
		}
		e.Interpose(nil)
		answer <- struct{}{}
		b.until("the read", func(Facts) bool { read, _ := b.source.Addr(bridge, addr, seen); return read })
		if _, claimed := b.source.Addr(bridge, addr, seen); !claimed {
			t.Errorf("%s is no container's after the engine has named it", addr)
		}
		if read, claimed := b.source.Addr(bridge, unused, seen); !read || claimed {
			t.Errorf("an address that no container has: read %t, claimed %t", read, claimed)
		}
	})
}

// An event that comes after the answer may take the address away from its container, but
// does not show that the address is free.
func TestListedThoughNotBelieved(t *testing.T) {
	b := newBook()
	begun := b.tick()
	b.record(id64("a")).left = b.tick()
	b.seen(netOf("n", claimOf("a", "e1", "10.0.0.2")), begun)
	if n := b.nets["n"]; len(n.places) != 0 || len(n.listed) != 1 {
		t.Errorf("containers %v, listed %v, want none and one", n.places, n.listed)
	}
}
