package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
)

// someFrames are those of n containers, each of both families.
func someFrames(n int) rules.Frames {
	f := rules.Frames{Foreign: []int{1}}
	for i := range n {
		f.Places = append(f.Places, netinfo.Place{Port: 10 + i, Addr: netip.AddrFrom4([4]byte{172, 18, byte(i >> 8), byte(i)})},
			netinfo.Place{Port: 10 + i, Addr: netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))})
	}
	return f
}

// listed is the table as nft prints it, without counters.
func listed(t *testing.T) string {
	t.Helper()
	return sh(t, "nft list table bridge dockwall 2>/dev/null | sed 's/counter packets [0-9]* bytes [0-9]*/counter/' || true")
}

// TestFrameTable writes, edits and removes the table.
func TestFrameTable(t *testing.T) {
	inNamespace(t)
	k := New(hclog.NewNullLogger())
	f := k.Frames()
	put := func(want rules.Frames, look, repaired bool) {
		t.Helper()
		was, err := f.Put(want, look)
		if err != nil || was != repaired || !f.InForce() {
			t.Fatalf("repaired %v, in force %v, %v; want repaired %v", was, f.InForce(), err, repaired)
		}
	}
	want := someFrames(3)
	put(want, true, false)
	first := listed(t)
	for _, line := range []string{"elements = { 172.18.0.0, 172.18.0.1,", "elements = { 2001:db8::1,", `iif . ip saddr @places4 return`, "oif . ip6 daddr @places6 return"} {
		if !strings.Contains(first, line) {
			t.Errorf("there is no %q in\n%s", line, first)
		}
	}
	before := k.generation
	put(want, true, false)
	if k.generation != before {
		t.Error("nothing differs, and a transaction was made")
	}
	put(someFrames(2), false, false)
	put(want, false, false)
	if diff := cmp.Diff(first, listed(t)); diff != "" {
		t.Errorf("edited there and back (-want +got):\n%s", diff)
	}
	want.NoTags, want.Tagged = true, []int{12}
	put(want, false, false)
	if text := listed(t); !strings.Contains(text, "ether type 8021q") || !strings.Contains(text, "hook forward") {
		t.Errorf("tags are not dropped:\n%s", text)
	}
	want.Hold, want.Group, want.Prefix = true, 4778, "dockwall:hold"
	want.Seen = []netinfo.Place{{Port: 10, Addr: netip.MustParseAddr("10.8.0.6")}, {Port: 10, Addr: netip.MustParseAddr("fe80::6")}}
	put(want, false, false)
	put(want, true, false)
	for _, line := range []string{"hook input", "10 . 10.8.0.6", "10 . fe80::6", `log prefix "dockwall:hold" group 4778`, "iif @bound counter drop"} {
		if text := listed(t); !strings.Contains(text, line) {
			t.Errorf("there is no %q in\n%s", line, text)
		}
	}
	for _, there := range []bool{true, false} {
		if changed, err := f.Remove(); err != nil || changed != there {
			t.Fatalf("removing: %v, %v, want %v", changed, err, there)
		}
	}
	if text := listed(t); text != "" {
		t.Errorf("this is left:\n%s", text)
	}
}

// TestFrameTableIsPutBack: whatever another program does to the table, a look
// finds it.
func TestFrameTableIsPutBack(t *testing.T) {
	inNamespace(t)
	f := New(hclog.NewNullLogger()).Frames()
	want := someFrames(3)
	if _, err := f.Put(want, false); err != nil {
		t.Fatal(err)
	}
	first := listed(t)
	for _, command := range []string{
		"nft flush ruleset", "nft delete table bridge dockwall", "nft flush table bridge dockwall", "nft flush chain bridge dockwall prerouting", "nft flush chain bridge dockwall prerouting4",
		"nft flush set bridge dockwall known4", "nft add element bridge dockwall foreign '{ 12 }'", "nft insert rule bridge dockwall postrouting accept",
		"nft add chain bridge dockwall prerouting '{ policy drop; }'",
		"nft replace rule bridge dockwall prerouting4 handle $(nft -a list table bridge dockwall | sed -n 's/.*known4.*drop # handle //p' | head -1) accept",
	} {
		sh(t, command)
		if listed(t) == first {
			t.Fatalf("%s changed nothing", command)
		}
		if repaired, err := f.Put(want, true); err != nil || !repaired {
			t.Errorf("%s: repaired %v, %v", command, repaired, err)
		}
		if diff := cmp.Diff(first, listed(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", command, diff)
		}
	}
	sh(t, "nft flush ruleset")
	if _, err := f.Put(someFrames(2), false); err != nil {
		t.Fatalf("editing a table that is gone: %v", err)
	}
	if !strings.Contains(listed(t), "172.18.0.1") {
		t.Error("the table was not written again")
	}
}

// TestManyFrames is a host with thousands of containers: one transaction.
func TestManyFrames(t *testing.T) {
	inNamespace(t)
	f := New(hclog.NewNullLogger()).Frames()
	want := someFrames(5000)
	if _, err := f.Put(want, false); err != nil {
		t.Fatal(err)
	}
	if repaired, err := f.Put(want, true); err != nil || repaired {
		t.Errorf("repaired %v, %v", repaired, err)
	}
	if _, err := f.Put(rules.Frames{}, false); err != nil {
		t.Fatal(err)
	}
	if repaired, err := f.Put(rules.Frames{}, true); err != nil || repaired {
		t.Errorf("with no member: repaired %v, %v", repaired, err)
	}
}

// TestFramesAreOwn: what the agent writes to the table is told from what another
// program does to it, which is what a repair starts with.
func TestFramesAreOwn(t *testing.T) {
	inNamespace(t)
	k := New(hclog.NewNullLogger())
	f := k.Frames()
	seen := make(chan hostnet.Generation, 100)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready := make(chan struct{})
	ns, err := netns.Get()
	must(t, err)
	t.Cleanup(func() { ns.Close() })
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if err := netns.Set(ns); err != nil {
			t.Error(err)
		}
		if err := hostnet.Generations(ctx, Watched, func(g hostnet.Generation) {
			if g == (hostnet.Generation{}) {
				close(ready)
			} else {
				seen <- g
			}
		}, func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-ready:
	case <-time.After(5 * time.Second):
		t.Fatal("no notices")
	}
	expect := func(what string, own bool) {
		t.Helper()
		var g hostnet.Generation
		select {
		case g = <-seen:
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: no notice", what)
		}
		if !g.Relevant || k.Own(g) != own {
			t.Errorf("%s: %+v, own %v, want relevant and own %v", what, g, k.Own(g), own)
		}
	}
	for _, n := range []int{3, 2} {
		if _, err := f.Put(someFrames(n), false); err != nil {
			t.Fatal(err)
		}
		expect("writing it", true)
	}
	sh(t, "nft flush set bridge dockwall known4")
	expect("another program", false)
}

// TestFramesAble asks a kernel that has nftables for bridges, which changes nothing.
func TestFramesAble(t *testing.T) {
	inNamespace(t)
	before, err := hostnet.CurrentGeneration()
	if err != nil {
		t.Fatal(err)
	}
	if err := New(hclog.NewNullLogger()).Frames().Able(); err != nil {
		t.Errorf("this kernel has nftables for bridges, and the answer is: %v", err)
	}
	if after, err := hostnet.CurrentGeneration(); err != nil || after.ID != before.ID {
		t.Errorf("the generation went from %d to %d, %v", before.ID, after.ID, err)
	}
	if tables := sh(t, "nft list tables"); tables != "" {
		t.Errorf("it left\n%s", tables)
	}
}

// TestNoFrames tells a kernel without nftables for bridges from other failures.
func TestNoFrames(t *testing.T) {
	for err, want := range map[error]bool{unix.EOPNOTSUPP: true, unix.EAFNOSUPPORT: true, unix.EPERM: false, unix.ENOBUFS: false} {
		if got := errors.Is(noFrames(fmt.Errorf("netlink: %w", err)), rules.ErrNoFrames); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
