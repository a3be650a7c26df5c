package hostnet

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

var equalAddrs = cmpopts.EquateComparable(netip.Addr{})

// fakeProc is a /proc made of plain files.
type fakeProc struct {
	t    *testing.T
	root string
}

func newFakeProc(t *testing.T) fakeProc {
	t.Helper()
	// Directories stand for root's processes when the test runs as root.
	nstest.NeedRoot(t)
	p := fakeProc{t, t.TempDir()}
	p.link("thread-self/ns/net", "net:[1]")
	p.process(1, "systemd", "net:[1]", "/sbin/init")
	p.write("version", "not a process")
	return p
}

func (p fakeProc) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.root, name)
	nstest.Must(p.t, os.MkdirAll(filepath.Dir(path), 0o755))
	nstest.Must(p.t, os.WriteFile(path, []byte(text), 0o644))
}

func (p fakeProc) link(name, target string) {
	p.t.Helper()
	path := filepath.Join(p.root, name)
	nstest.Must(p.t, os.MkdirAll(filepath.Dir(path), 0o755))
	nstest.Must(p.t, os.Symlink(target, path))
}

// hostRoot is the mountinfo of a process on the host's own file system.
const hostRoot = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n23 22 0:21 / /proc rw - proc proc rw\n"

// process adds one of the host's own, started by process 1, in network namespace
// ns; "" stands for one that may not be read.
func (p fakeProc) process(pid int, comm, ns, cmdline string) {
	p.t.Helper()
	p.child(1, pid, comm, ns, cmdline)
}

// child is process for one that another process started.
func (p fakeProc) child(parent, pid int, comm, ns, cmdline string) {
	p.t.Helper()
	dir := fmt.Sprint(pid)
	p.write(dir+"/cmdline", strings.ReplaceAll(cmdline, " ", "\x00")+"\x00")
	p.status(pid, fmt.Sprintf("Name:\t%s\nPPid:\t%d\nNSpid:\t%d\nCapEff:\t000001ffffffffff\n", comm, parent, pid))
	p.write(dir+"/cgroup", "0::/system.slice/docker.service\n")
	p.write(dir+"/mountinfo", hostRoot)
	if ns == "" {
		p.write(dir+"/ns/net", "a file, not a link: reading the link fails")
	} else {
		p.link(dir+"/ns/net", ns)
	}
}

func (p fakeProc) status(pid int, text string) {
	p.t.Helper()
	p.write(fmt.Sprintf("%d/status", pid), text)
}

// dockerd adds the one that starts the proxies of these tests.
func (p fakeProc) dockerd(pid int) { p.process(pid, "dockerd", "net:[1]", "/usr/bin/dockerd") }

func (p fakeProc) remove(pid int) {
	p.t.Helper()
	nstest.Must(p.t, os.RemoveAll(filepath.Join(p.root, fmt.Sprint(pid))))
}

const (
	proxyTCP = "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd"
	proxyUDP = "/usr/libexec/own-proxy --proto=udp --host-ip=:: --host-port=53 --container-ip=fd00::2 --container-port=5353"
)

func wantTCP(pid int) Proxy {
	return Proxy{
		Proto: netinfo.TCP, HostAddr: netip.MustParseAddr("0.0.0.0"), HostPort: 8080,
		ContainerAddr: netip.MustParseAddr("172.17.0.2"), ContainerPort: 80, PID: pid,
	}
}

func checkProxies(t *testing.T, s *Scanner, want ...Proxy) {
	t.Helper()
	got, err := s.Proxies()
	nstest.Must(t, err)
	if diff := cmp.Diff(want, got, equalAddrs, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("proxies (-want +got):\n%s", diff)
	}
}

func TestProxiesOfThisNamespace(t *testing.T) {
	p := newFakeProc(t)
	p.dockerd(9)
	p.child(9, 10, "docker-proxy", "net:[1]", proxyTCP)
	p.child(9, 11, "own-proxy", "net:[1]", proxyUDP)
	p.child(9, 12, "docker-proxy", "net:[2]", strings.Replace(proxyTCP, "8080", "8082", 1))
	p.child(9, 13, "docker-proxy", "", strings.Replace(proxyTCP, "8080", "8083", 1))
	p.child(9, 14, "docker-proxy", "net:[1]", "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 99999 -container-ip 172.17.0.2 -container-port 80")
	p.child(9, 15, "docker-proxy", "net:[1]", "docker-proxy --version")
	p.child(9, 16, "sh", "net:[1]", "sh -c docker-proxy")
	p.write("17/status", "Name:\tkthreadd\nPPid:\t0\n")
	p.write("17/cmdline", "")
	unreadable := wantTCP(13)
	unreadable.HostPort = 8083
	udp := Proxy{
		Proto: netinfo.UDP, HostAddr: netip.MustParseAddr("::"), HostPort: 53,
		ContainerAddr: netip.MustParseAddr("fd00::2"), ContainerPort: 5353, PID: 11,
	}
	checkProxies(t, NewScanner(p.root), wantTCP(10), unreadable, udp)
}

func TestProxiesComeAndGo(t *testing.T) {
	p := newFakeProc(t)
	s := NewScanner(p.root)
	p.dockerd(9)
	checkProxies(t, s)
	p.child(9, 10, "docker-proxy", "net:[1]", proxyTCP)
	checkProxies(t, s, wantTCP(10))
	p.remove(10)
	checkProxies(t, s)
	if len(s.known) != 2 {
		t.Errorf("the scanner keeps %d processes, want those that run, 1 and 9", len(s.known))
	}
}

// clock is a time that tests move.
func clock(s *Scanner) *time.Time {
	now := time.Unix(1e9, 0)
	s.now = func() time.Time { return now }
	return &now
}

// A process is seen between fork and exec as its parent: what it becomes must
// be seen too.
func TestProcessThatExecsAfterItWasSeen(t *testing.T) {
	p := newFakeProc(t)
	s := NewScanner(p.root)
	now := clock(s)
	p.dockerd(9)
	p.child(9, 10, "dockerd", "net:[1]", "/usr/bin/dockerd -H fd://")
	checkProxies(t, s)
	p.status(10, "Name:\tdocker-proxy\nPPid:\t9\nNSpid:\t10\n")
	p.write("10/cmdline", strings.ReplaceAll(proxyTCP, " ", "\x00")+"\x00")
	checkProxies(t, s, wantTCP(10))

	*now = now.Add(settleAfter)
	checkProxies(t, s, wantTCP(10))
	p.write("10/cmdline", "late\x00")
	checkProxies(t, s, wantTCP(10)) // kept: settled processes are not read at each scan
	*now = now.Add(rereadAfter)
	checkProxies(t, s)
}

func TestReusedPIDIsReadAgain(t *testing.T) {
	p := newFakeProc(t)
	s := NewScanner(p.root)
	now := clock(s)
	p.dockerd(9)
	p.child(9, 10, "docker-proxy", "net:[1]", proxyTCP)
	checkProxies(t, s, wantTCP(10))
	*now = now.Add(settleAfter)
	checkProxies(t, s, wantTCP(10))
	var before syscall.Stat_t
	nstest.Must(t, syscall.Lstat(filepath.Join(p.root, "10"), &before))
	p.remove(10)
	p.child(9, 10, "sleep", "net:[1]", "sleep 9")
	checkProxies(t, s)
}

func TestScanWithoutProcIsAnError(t *testing.T) {
	s := NewScanner(filepath.Join(t.TempDir(), "none"))
	if _, err := s.Proxies(); err == nil {
		t.Error("no error for proxies")
	}
	if _, err := s.Dockerd(nil); err == nil {
		t.Error("no error for dockerd")
	}
}

// The real /proc, with a process that calls itself dockerd, and one that it starts
// as dockerd starts docker-proxy.
func TestScannerReadsTheRealProc(t *testing.T) {
	ns := nstest.New(t)
	s := NewScanner("/proc")
	shell, err := os.ReadFile("/bin/sh")
	nstest.Must(t, err)
	dockerd := filepath.Join(t.TempDir(), "dockerd")
	nstest.Must(t, os.WriteFile(dockerd, shell, 0o755))
	cmd := exec.Command(dockerd, "-c", `sh -c 'echo $$; read x' -proto tcp -host-ip 127.0.0.1 -host-port 8080 -container-ip 172.17.0.2 -container-port 80; true`)
	stdin, err := cmd.StdinPipe()
	nstest.Must(t, err)
	stdout, err := cmd.StdoutPipe()
	nstest.Must(t, err)
	nstest.Must(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	nstest.Must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	nstest.Must(t, err)
	want := wantTCP(pid)
	want.HostAddr = netip.MustParseAddr("127.0.0.1")
	checkProxies(t, s, want)
	nstest.Add(t)
	s2 := NewScanner("/proc")
	checkProxies(t, s2) // not of this namespace
	nstest.In(t, ns, func() { checkProxies(t, s, want) })
	nstest.Must(t, stdin.Close())
	_ = cmd.Wait() // sh's read meets the end of file and fails
	nstest.In(t, ns, func() { checkProxies(t, s) })
}
