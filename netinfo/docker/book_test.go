package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"testing"

	"dockwall/netinfo"
)

func id64(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func claimOf(name, ep string, addrs ...string) claim {
	c := claim{holder: id64(name), ep: netinfo.Endpoint{ID: ep, NetworkID: "n"}}
	for _, a := range addrs {
		c.ep.Addrs = append(c.ep.Addrs, netip.MustParseAddr(a))
	}
	return c
}

func netOf(id string, claims ...claim) view {
	return view{facts: netinfo.Network{ID: id, Name: "net-" + id}, endpoints: claims}
}

// bookOf has the containers a and b, running.
func bookOf() *book {
	b := newBook()
	for _, name := range []string{"a", "b"} {
		b.inspected(sighting{listing: listing{id: id64(name), name: name, state: "running"}}, b.tick())
	}
	return b
}

func contEvent(action, name string) event {
	return event{kind: "container", action: action, id: id64(name), attrs: map[string]string{"name": name}}
}

func netEvent(action, name string) event {
	return event{kind: "network", action: action, id: "n", container: id64(name)}
}

// What happens between the beginning of a read and its answer, and whether the
// answer may still give a its address.
func TestOldAnswers(t *testing.T) {
	tests := []struct {
		name  string
		event func(*book)
		want  int
	}{
		{"nothing", func(*book) {}, 1},
		{"die", func(b *book) { b.happen(contEvent("die", "a")) }, 0},
		{"destroy", func(b *book) { b.happen(contEvent("destroy", "a")) }, 0},
		{"disconnect", func(b *book) { b.happen(netEvent("disconnect", "a")) }, 0},
		{"process", func(b *book) {
			b.conts[id64("a")].pid = 7
			b.died(process{id64("a"), 7})
		}, 0},
		{"network destroy", func(b *book) { b.happen(netEvent("destroy", "a")) }, 0},
		{"another's disconnect", func(b *book) { b.happen(netEvent("disconnect", "b")) }, 1},
		{"connect", func(b *book) { b.happen(netEvent("connect", "a")) }, 1},
		{"newer answer without it", func(b *book) { b.seen(netOf("n"), b.tick()) }, 0},
	}
	for _, known := range []bool{false, true} {
		for _, tt := range tests {
			b := bookOf()
			v := netOf("n", claimOf("a", "e1", "10.0.0.2"))
			if known {
				b.seen(v, b.tick())
			}
			begun := b.tick()
			tt.event(b)
			b.seen(v, begun)
			if got := addrs(b.facts(), id64("a")); len(got) != tt.want {
				t.Errorf("%s, known before: %v: addresses %q, want %d", tt.name, known, got, tt.want)
			}
		}
	}
}

// A die that comes late buries the next run's endpoint; the engine's word that
// it is on a live process digs it out.
func TestVouch(t *testing.T) {
	for _, pid := range []int{9, 0} {
		testVouch(t, pid)
	}
}

func testVouch(t *testing.T, pid int) {
	b := bookOf()
	v := netOf("n", claimOf("a", "e2", "10.0.0.2"))
	b.seen(v, b.tick())
	b.happen(contEvent("die", "a"))
	b.seen(v, b.tick())
	if got := addrs(b.facts(), id64("a")); len(got) != 0 {
		t.Fatalf("buried endpoint is back: %q", got)
	}
	restarting := sighting{listing: listing{id: id64("a"), name: "a", state: "restarting"}, endpoints: []string{"e2"}}
	if got := b.inspected(restarting, b.tick()); len(got.nets) != 0 {
		t.Fatal("a container between two runs vouches for its endpoint")
	}
	b.happen(contEvent("start", "a"))
	s := sighting{listing: listing{id: id64("a"), name: "a", state: "running"}, pid: pid, endpoints: []string{"e2"}}
	if got := b.inspected(s, b.tick()); len(got.nets) != 1 {
		t.Fatalf("networks to read: %q", got.nets)
	}
	b.seen(v, b.tick())
	if got := addrs(b.facts(), id64("a")); len(got) != 1 {
		t.Errorf("the endpoint stays buried: %q", got)
	}
}

func TestSharesWith(t *testing.T) {
	for _, ref := range []string{id64("x"), id64("x")[:12], "x"} {
		b := bookOf()
		b.inspected(sighting{listing: listing{id: id64("s"), name: "s", netMode: "container:" + ref}}, b.tick())
		if got := containerOf(b.facts(), id64("s")).SharesWith; got != ref {
			t.Errorf("unresolved %q: got %q", ref, got)
		}
		b.inspected(sighting{listing: listing{id: id64("x"), name: "x"}}, b.tick())
		if got := containerOf(b.facts(), id64("s")).SharesWith; got != id64("x") {
			t.Errorf("%q: got %q", ref, got)
		}
		b.happen(event{kind: "container", action: "rename", id: id64("x"), attrs: map[string]string{"name": "y"}})
		if got := containerOf(b.facts(), id64("s")).SharesWith; got != id64("x") {
			t.Errorf("%q after a rename: got %q", ref, got)
		}
	}
}

// Facts handed out do not change when the book does.
func TestFactsAreValues(t *testing.T) {
	b := bookOf()
	b.seen(netOf("n", claimOf("a", "e1", "10.0.0.2"), claimOf("b", "e2", "10.0.0.3")), b.tick())
	before := b.facts()
	b.happen(contEvent("die", "a"))
	b.happen(contEvent("destroy", "b"))
	b.seen(netOf("n", claimOf("a", "e3", "10.0.0.9")), b.tick())
	if got := addrs(before, id64("a")); len(got) != 1 || got[0] != "10.0.0.2" || len(before.Containers) != 2 {
		t.Errorf("facts changed after they were handed out: %+v", before)
	}
}

// What a read of a container that was begun earlier may still say.
func TestOldSightings(t *testing.T) {
	old := sighting{listing: listing{id: id64("a"), name: "a", image: "img", state: "running"}, pid: 5}
	tests := []struct {
		name  string
		since func(*book)
		state string
		watch int
	}{
		{"nothing", func(*book) {}, "running", 1},
		{"die", func(b *book) { b.happen(contEvent("die", "a")) }, "exited", 0},
		{"pause", func(b *book) { b.happen(contEvent("pause", "a")) }, "paused", 0},
		{"another's die", func(b *book) { b.happen(contEvent("die", "b")) }, "running", 1},
		{"destroy", func(b *book) { b.happen(contEvent("destroy", "a")) }, "", 0},
		{"newer answer", func(b *book) {
			b.inspected(sighting{listing: listing{id: id64("a"), name: "a", state: "exited"}}, b.tick())
		}, "exited", 0},
	}
	for _, tt := range tests {
		b := bookOf()
		begun := b.tick()
		tt.since(b)
		got := b.inspected(old, begun)
		c := containerOf(b.facts(), id64("a"))
		if c.State != tt.state || len(got.watch) != tt.watch {
			t.Errorf("%s: state %q, watch %v; want %q and %d", tt.name, c.State, got.watch, tt.state, tt.watch)
		}
		if tt.name == "die" && c.Image != "img" {
			t.Errorf("%s: what never changes was not believed: %+v", tt.name, c)
		}
	}
}

// The death of an earlier run's process says nothing about this run.
func TestDeathOfEarlierRun(t *testing.T) {
	b := bookOf()
	s := sighting{listing: listing{id: id64("a"), name: "a", state: "running"}, pid: 8}
	b.inspected(s, b.tick())
	b.seen(netOf("n", claimOf("a", "e1", "10.0.0.2")), b.tick())
	b.died(process{id64("a"), 7})
	if got := addrs(b.facts(), id64("a")); len(got) != 1 {
		t.Errorf("addresses: %q", got)
	}
	b.died(process{id64("a"), 8})
	if got := addrs(b.facts(), id64("a")); len(got) != 0 {
		t.Errorf("addresses after its own death: %q", got)
	}
}

// A list that was begun before neither brings back what was destroyed nor
// takes away what was created.
func TestOldLists(t *testing.T) {
	b := bookOf()
	begun := b.tick()
	b.happen(contEvent("destroy", "a"))
	b.happen(contEvent("create", "c"))
	b.happen(event{kind: "network", action: "connect", id: "new", container: id64("c")})
	b.seen(netOf("new"), b.tick())
	b.happen(event{kind: "network", action: "destroy", id: "old"})
	b.listed([]listing{{id: id64("a"), name: "a"}, {id: id64("b"), name: "b"}}, []view{netOf("old")}, begun)
	f := b.facts()
	if len(f.Containers) != 2 || f.Containers[0].Name != "b" || f.Containers[1].Name != "c" {
		t.Errorf("containers: %+v", f.Containers)
	}
	if len(f.Networks) != 1 || f.Networks[0].ID != "new" {
		t.Errorf("networks: %+v", f.Networks)
	}
	b.listed(nil, nil, b.tick())
	if f := b.facts(); len(f.Containers) != 0 || len(f.Networks) != 0 {
		t.Errorf("an empty list leaves %+v", f)
	}
}
