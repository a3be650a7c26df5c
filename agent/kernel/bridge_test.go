package kernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dockwall/netinfo/hostnet"
)

// calls are the switches of each bridge, as two digits.
func calls(t *testing.T) map[string]string {
	t.Helper()
	all, err := hostnet.Bridges()
	must(t, err)
	digit := map[bool]string{true: "1", false: "0"}
	m := map[string]string{}
	for _, b := range all {
		m[b.Name] = digit[b.Call4] + digit[b.Call6]
	}
	return m
}

func wantCalls(t *testing.T, when string, want map[string]string) {
	t.Helper()
	got := calls(t)
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: bridge %s has %q, want %q", when, name, got[name], w)
		}
	}
}

// TestBridges switches bridges for a policy, for another one, and back, by two
// processes, one of which was killed.
func TestBridges(t *testing.T) {
	k := inNamespace(t)
	if hostnet.BridgeNetfilter() != nil {
		sh(t, "modprobe br_netfilter")
	}
	sh(t, `sysctl -qw net.bridge.bridge-nf-call-iptables=0
		for b in a b vm; do ip link add name $b type bridge; done; ip link set dev b type bridge nf_call_ip6tables 1`)
	path := SwitchedPath(filepath.Join(t.TempDir(), "run", "agent.sock"))
	of := func(names ...string) func(string) bool {
		return func(bridge string) bool {
			for _, n := range names {
				if n == bridge {
					return true
				}
			}
			return false
		}
	}
	first := k.Bridges(path)
	must(t, first.Show(of("a", "b", "later")))
	wantCalls(t, "shown", map[string]string{"a": "11", "b": "11", "vm": "00"})
	sh(t, "ip link add name later type bridge; ip link set dev a type bridge nf_call_iptables 0")
	must(t, first.Look())
	wantCalls(t, "looked at again", map[string]string{"a": "11", "later": "11"})

	second := k.Bridges(path)
	for bridge, want := range map[string]string{"b": "[] [a later]", "vm": "[vm] [a b later]", "a": "[] [b later]"} {
		if on, off, err := second.Switches(of(bridge)); err != nil || fmt.Sprint(on, off) != want {
			t.Errorf("to isolate %s: to be switched are %v and %v, want %s, %v", bridge, on, off, want, err)
		}
	}
	wantCalls(t, "asked", map[string]string{"a": "11", "later": "11", "vm": "00"})
	must(t, second.Show(of("b")))
	wantCalls(t, "before the rules are in force", map[string]string{"a": "11", "b": "11", "later": "11"})
	must(t, second.Settle())
	if on, off, err := second.Switches(of("b")); err != nil || len(on)+len(off) > 0 {
		t.Errorf("settled, and to be switched are %v and %v, %v", on, off, err)
	}
	wantCalls(t, "settled", map[string]string{"a": "00", "b": "11", "later": "00", "vm": "00"})

	// Another bridge by the name of one that was switched.
	sh(t, "ip link del dev b; ip link add name b type bridge nf_call_iptables 1 nf_call_ip6tables 1")
	must(t, second.Show(of("a")))
	if changed, err := k.Bridges(path).TakeBack(); err != nil || !changed {
		t.Errorf("taking back: %v, %v", changed, err)
	}
	wantCalls(t, "taken back", map[string]string{"a": "00", "b": "11", "later": "00", "vm": "00"})
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
	if changed, err := k.Bridges(path).TakeBack(); err != nil || changed {
		t.Errorf("taking back twice: %v, %v", changed, err)
	}
	if got := sh(t, "sysctl -n net.bridge.bridge-nf-call-iptables"); got != "0\n" {
		t.Errorf("the sysctl is %q", got)
	}
}

// TestBridgeIsSwitchedBackAtOnce has another program turn a bridge's switch off
// again and again. The kernel gives notice of each time.
func TestBridgeIsSwitchedBackAtOnce(t *testing.T) {
	k := inNamespace(t)
	sh(t, "ip link add name a up type bridge") // the kernel tells of links that are up
	b := k.Bridges(filepath.Join(t.TempDir(), "bridges.json"))
	must(t, b.Show(func(string) bool { return true }))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const times = 20
	found := 0
	var off time.Time
	var worst time.Duration
	hostnet.Watch(ctx, func() {
		if calls(t)["a"] == "00" {
			must(t, b.Look())
			worst = max(worst, time.Since(off))
			found++
		}
		if found == times {
			cancel()
			return
		}
		off = time.Now()
		sh(t, "ip link set dev a type bridge nf_call_iptables 0 nf_call_ip6tables 0")
	}, nil)
	if found != times {
		t.Errorf("%d of %d times were found", found, times)
	}
	wantCalls(t, "at the end", map[string]string{"a": "11"})
	t.Logf("the switch was off for %v at most", worst)
}
