package boot

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The stranger's addresses. The client has another one in each family, ending
// in 11, which the tests' policies let in.
const (
	strangerV4 = "192.0.2.10"
	strangerV6 = "2001:db8:1::10"
)

// Wire makes the network namespaces again: the machine's, with its NIC and
// addresses, and the client's. Nothing of a boot before stays in the kernel.
// Forwarding is on, so that FORWARD's policy stays ACCEPT, which leaks most.
func (m *Machine) Wire() {
	m.t.Helper()
	for _, err := range unwire(m.id) {
		m.t.Fatal(err)
	}
	script := fmt.Sprintf(`
ip netns add %[1]s-host
ip netns add %[1]s-wan
ip link add eth0 netns %[1]s-host type veth peer name eth0 netns %[1]s-wan
for side in host wan; do
  ip netns exec %[1]s-$side sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.disable_ipv6=0 \
    net.ipv4.neigh.eth0.retrans_time_ms=100 net.ipv6.neigh.eth0.retrans_time_ms=100
  ip -n %[1]s-$side link set lo up
  ip -n %[1]s-$side link set eth0 up
done
ip netns exec %[1]s-host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n %[1]s-host addr add 192.0.2.1/24 dev eth0
ip -n %[1]s-host addr add 2001:db8:1::1/64 dev eth0 nodad
for end in 10 11; do
  ip -n %[1]s-wan addr add 192.0.2.$end/24 dev eth0
  ip -n %[1]s-wan addr add 2001:db8:1::$end/64 dev eth0 nodad
done
ip -n %[1]s-wan route add default via 192.0.2.1
ip -n %[1]s-wan route add default via 2001:db8:1::1
`, m.id)
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		m.t.Fatalf("wiring: %v\n%s", err, out)
	}
}

// responder is the test program, built for the machine.
func (m *Machine) responder() string {
	m.t.Helper()
	path := filepath.Join(m.dir, "responder")
	cmd := exec.Command("go", "build", "-o", path, "./test/responder")
	cmd.Dir = m.repo
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("building the responder: %v\n%s", err, out)
	}
	return path
}

// client runs the responder in the client's namespace.
func (m *Machine) client(args ...string) *exec.Cmd {
	all := append([]string{"--net=/run/netns/" + m.id + "-wan", filepath.Join(m.dir, "responder")}, args...)
	return exec.Command("nsenter", all...)
}

// Outside runs a program of this machine in the client's namespace, which stands for
// another host.
func (m *Machine) Outside(dir string, env []string, args ...string) (string, error) {
	cmd := exec.Command("nsenter", append([]string{"--net=/run/netns/" + m.id + "-wan"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Reaches reports whether a connection from the client's address gets the
// responder's line, and how it ended.
func (m *Machine) Reaches(from, to string) (bool, string) {
	m.t.Helper()
	out, _ := m.client("dial", "-json", "-timeout", "600ms", "-from", from, to).Output()
	var r struct {
		OK    bool   `json:"ok"`
		Class string `json:"class"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		m.t.Fatalf("asking %s from %s: %v: %s", to, from, err, out)
	}
	return r.OK, r.Class
}

// flood is connections from a stranger in a tight loop.
type flood struct {
	to   string
	cmd  *exec.Cmd
	out  *strings.Builder
	done chan error
}

// tally is what a flood did.
type tally struct {
	Tried   int            `json:"tried"`
	OK      int            `json:"ok"`
	Classes map[string]int `json:"classes"`
	First   []struct {
		At time.Time `json:"at"`
	} `json:"first"`
}

// Flood begins one flood per address, each bounded in time and in number.
func (m *Machine) Flood(limit time.Duration, to ...string) []*flood {
	m.t.Helper()
	var all []*flood
	for _, address := range to {
		from := strangerV4
		if strings.HasPrefix(address, "[") {
			from = strangerV6
		}
		f := &flood{to: address, out: &strings.Builder{}, done: make(chan error, 1)}
		f.cmd = m.client("flood", "-for", limit.String(), "-count", "400000", "-workers", "16", "-timeout", "50ms", "-from", from, address)
		f.cmd.Stdout, f.cmd.Stderr = f.out, f.out
		if err := f.cmd.Start(); err != nil {
			m.t.Fatalf("flooding %s: %v", address, err)
		}
		go func() { f.done <- f.cmd.Wait() }()
		all = append(all, f)
	}
	return all
}

// Stop ends the floods; the test fails where one connection got through.
func (m *Machine) Stop(floods []*flood) {
	m.t.Helper()
	for i, r := range m.Tally(floods) {
		to := floods[i].to
		m.t.Logf("flood of %s: %d tried, %d through (%v)", to, r.Tried, r.OK, r.Classes)
		// A port without a listener is refused, which proves nothing.
		if stopped := r.Classes["timeout"]; stopped < 100 {
			m.t.Errorf("flood of %s: only %d connections were stopped, which proves little", to, stopped)
		}
		if r.OK > 0 {
			m.t.Errorf("flood of %s: %d of %d connections got through, the first at %v", to, r.OK, r.Tried, r.First[0].At)
		}
	}
}

// Tally ends the floods and returns what each of them did.
func (m *Machine) Tally(floods []*flood) []tally {
	m.t.Helper()
	for _, f := range floods {
		if len(f.done) > 0 {
			m.t.Errorf("flooding %s: it met its limits before it was over", f.to)
		}
		_ = f.cmd.Process.Signal(syscall.SIGTERM) // it may end by itself just now
	}
	all := make([]tally, len(floods))
	for i, f := range floods {
		if err := <-f.done; err != nil {
			m.t.Errorf("flooding %s: %v: %s", f.to, err, f.out)
		} else if err := json.Unmarshal([]byte(strings.TrimPrefix(f.out.String(), "flooding\n")), &all[i]); err != nil {
			m.t.Errorf("flooding %s: %v: %s", f.to, err, f.out)
		}
	}
	return all
}
