package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dockwall/rules"
)

// latched is a latch over Docker's bridges and the engine's ports.
func latched() rules.Latch {
	return rules.Latch{
		NotDocker: []rules.Interface{{Name: "br-lan"}}, Docker: []rules.Interface{{Name: "docker0"}, {Name: "br-", Prefix: true}},
		Uplinks: []rules.Interface{{Name: "br-wan"}}, Bridges: []rules.Interface{{Name: "virbr0"}},
		Elsewhere: []rules.Interface{{Name: "eth", Prefix: true}}, Ports: []rules.PortRange{{Lo: 2375, Hi: 2376}},
		From: []netip.Prefix{netip.MustParsePrefix("192.0.2.8/30"), netip.MustParsePrefix("2001:db8::/62"), netip.MustParsePrefix("198.51.100.7/32")},
	}
}

// The table is as it is drawn, nobody else takes it away, and it goes with the
// latch.
func TestLatchIsOwned(t *testing.T) {
	inNamespace(t)
	var l Latch
	must(t, l.Shut(latched()))
	t.Cleanup(func() { l.Lift() })
	const want = `table inet dockwall {
	flags owner
	chain to {
		oifname "br-lan" return
		oifname "virbr0" return
		oifname "docker0" counter packets 0 bytes 0 drop
		oifname "br-*" counter packets 0 bytes 0 drop
		meta oifkind "bridge" counter packets 0 bytes 0 drop
		oifname "eth*" return
		counter packets 0 bytes 0 drop
	}
	chain ports {
		ip saddr 192.0.2.8/30 return
		ip6 saddr 2001:db8::/62 return
		ip saddr 198.51.100.7 return
		counter packets 0 bytes 0 drop
	}
	chain forward {
		type filter hook forward priority security + 1; policy accept;
		ct status confirmed return
		ct state ! related,new return
		meta priority 646f:7700 meta priority set none return
		iifname "br-lan" goto to
		iifname "br-wan" goto to
		iifname "docker0" counter packets 0 bytes 0 drop
		iifname "br-*" counter packets 0 bytes 0 drop
		goto to
	}
	chain output {
		type filter hook output priority security + 1; policy accept;
		ct status confirmed return
		ct state ! related,new return
		oifname "lo" return
		meta priority 646f:7700 meta priority set none return
		goto to
	}
	chain input {
		type filter hook input priority security + 1; policy accept;
		ct status confirmed return
		ct state ! related,new return
		iifname "lo" return
		tcp dport 2375-2376 goto ports
	}
}`
	if got := listing(t); got != want {
		t.Errorf("the latch is\n%s\nwant\n%s", got, want)
	}
	if out, err := exec.Command("nft", "delete", "table", "inet", LatchTable).CombinedOutput(); err == nil {
		t.Errorf("somebody else could take the latch away: %s", out)
	}
	sh(t, "iptables-nft -A FORWARD -j ACCEPT; nft flush ruleset")
	if got := listing(t); got != want {
		t.Errorf("after a flush of everything the latch is\n%s", got)
	}
	changed := latched()
	changed.Docker = append(changed.Docker, rules.Interface{Name: "odd0"})
	changed.Tight = true
	must(t, l.Shut(changed))
	if got := listing(t); strings.Count(got, "meta priority 646f:7700") != 1 {
		t.Errorf("tight, the latch is\n%s", got)
	}
	if got := listing(t); strings.Count(got, `"odd0"`) != 2 || strings.Count(got, `"docker0"`) != 2 {
		t.Errorf("after a change the latch is\n%s", got)
	}
	must(t, l.Lift())
	if got := sh(t, "nft list ruleset"); strings.Contains(got, LatchTable) {
		t.Errorf("lifted, it is still there:\n%s", got)
	}
	must(t, l.Shut(latched()))
}

// listing is nft's, without what differs between its versions.
func listing(t *testing.T) string {
	t.Helper()
	var out []string
	for line := range strings.Lines(sh(t, "nft list table inet "+LatchTable)) {
		line = strings.TrimRight(line, "\n")
		line, _, _ = strings.Cut(line, " #")
		if line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// An agent that is stopped long after its last change takes its latch away: the deadline
// of that change is over.
func TestLatchIsLiftedLater(t *testing.T) {
	inNamespace(t)
	var l Latch
	must(t, l.Shut(latched()))
	must(t, l.sock.SetDeadline(time.Now().Add(-time.Second)))
	must(t, l.Lift())
	if got := sh(t, "nft list tables"); strings.Contains(got, LatchTable) {
		t.Errorf("lifted, it is still there:\n%s", got)
	}
}

// A table of the name that was restored from a listing is no hindrance, another
// agent's is.
func TestLatchOfAnother(t *testing.T) {
	inNamespace(t)
	sh(t, "nft add table inet "+LatchTable)
	var l, second Latch
	must(t, l.Shut(latched()))
	t.Cleanup(func() { l.Lift() })
	if err := second.Shut(latched()); err == nil {
		t.Error("two agents have the latch")
	}
	if !strings.Contains(listing(t), "2375-2376") {
		t.Error("the first one's latch is gone")
	}
	must(t, l.Lift())
	must(t, second.Shut(latched()))
	must(t, second.Lift())
}

// The latch of an agent that was killed stays where the kernel can keep it, and is no
// hindrance to the next one, nor to who removes everything.
func TestLatchOfAKilledAgent(t *testing.T) {
	inNamespace(t)
	kill := func() (stays bool) {
		var l Latch
		must(t, l.Shut(latched()))
		if removed, err := RemoveLatch(); removed || err != nil {
			t.Fatalf("the latch of an agent that lives: removed %v, %v", removed, err)
		}
		must(t, l.conn.CloseLasting())
		// An older kernel takes the table away a moment later.
		return !until(func() bool { return !strings.Contains(sh(t, "nft list tables"), LatchTable) })
	}
	if stays, want := kill(), release(t) >= 609; stays != want {
		t.Errorf("after the agent was killed its latch stays: %v, want %v", stays, want)
	}
	var next Latch
	must(t, next.Shut(latched()))
	if !strings.Contains(listing(t), "2375-2376") {
		t.Errorf("the next agent's latch is\n%s", listing(t))
	}
	must(t, next.Lift())
	stays := kill()
	if removed, err := RemoveLatch(); removed != stays || err != nil {
		t.Errorf("taking away what a killed agent left: %v, %v", removed, err)
	}
	if got := sh(t, "nft list ruleset"); strings.Contains(got, LatchTable) {
		t.Errorf("it is still there:\n%s", got)
	}
}

// until reports whether the condition came true within a second.
func until(condition func() bool) bool {
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return false
}

// release is the kernel's, as a number: 6.9 is 609.
func release(t *testing.T) int {
	t.Helper()
	var u unix.Utsname
	must(t, unix.Uname(&u))
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major*100 + minor
}

// What is closed without rules, and what is not: to the engine's ports loopback
// comes, and nobody else; what leaves by a NIC has no stamp, and needs none.
func TestLatchWithoutRules(t *testing.T) {
	inNamespace(t)
	sh(t, `ip link set lo up; ip link add docker0 type veth peer name p0; ip link set p0 up; ip addr add 10.9.0.1/24 dev docker0; ip link set docker0 up
		ip link add eth7 type veth peer name p1; ip link set p1 up; ip addr add 10.8.0.1/24 dev eth7; ip link set eth7 up`)
	var l Latch
	must(t, l.Shut(latched()))
	t.Cleanup(func() { l.Lift() })
	api, err := net.Listen("tcp", "127.0.0.1:2375")
	must(t, err)
	defer api.Close()
	conn, err := net.Dial("tcp", "127.0.0.1:2375")
	must(t, err)
	conn.Close()
	send := func(to string) error {
		conn, err := net.Dial("udp", to)
		must(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("x"))
		return err
	}
	if err := send("10.8.0.2:9"); err != nil {
		t.Errorf("out by a NIC: %v", err)
	}
	if err := send("10.9.0.2:9"); err == nil {
		t.Error("to a Docker bridge, with no rule that stamps it, it went out")
	}
	sh(t, "iptables-nft -A OUTPUT -j CLASSIFY --set-class 646f:7700")
	if err := send("10.9.0.3:9"); err != nil {
		t.Errorf("to a Docker bridge, stamped: %v", err)
	}
}
