package daemon

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dockwall/agent/reconcile"
)

// says waits until the log has all of these.
func (h *host) says(all ...string) {
	h.t.Helper()
	for _, want := range all {
		h.until("the log to say "+want, func() bool { return strings.Contains(h.log(), want) })
	}
}

// enforces looks whether the shop's policy is in the kernel, in both families.
func (h *host) enforces() {
	h.t.Helper()
	h.until("the rules", func() bool { return strings.Count(h.save(), "--ctorigdstport 443") >= 2 })
}

// refuses runs agentctl or agentd and looks for what it says as it fails.
func (h *host) refuses(code int, want string, args ...string) {
	h.t.Helper()
	cmd := h.command(args...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), want) {
		h.t.Errorf("%v = %d, want %d and %q:\n%s", args, got, code, want, out)
	}
}

func TestSocketOfAnotherProgram(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	before := h.save()
	theirs, err := net.Listen("unix", h.socket())
	if err != nil {
		t.Fatal(err)
	}
	if code := h.start().wait(); code != 1 {
		t.Errorf("agentd = %d", code)
	}
	h.says("another program has the control socket: it answers on "+h.socket(), "end it, or name another path as control.socket")
	if h.save() != before {
		t.Error("the kernel was changed")
	}
	// What it leaves behind when it ends is in nobody's way.
	theirs.(*net.UnixListener).SetUnlinkOnClose(false)
	theirs.Close()
	if _, stderr, code := h.ctl("status"); code != 2 || !strings.Contains(stderr, "agentd is not running: no process answers on "+h.socket()+"; start it with systemctl start dockwall") {
		t.Errorf("status at a stale socket = %d: %s", code, stderr)
	}
	h.start().inForce()
	h.enforces()
}

func TestFullDisk(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	full := filepath.Join(h.dir, "full")
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	// A file system of one page, which is full, in a mount namespace of agentd's own.
	fill := `mount -t tmpfs -o size=4k none "$1"; head -c 4096 /dev/zero >"$1/filler"; shift; exec "$@"`
	agentd := h.agentd()
	agentd[len(agentd)-1] = full
	p := h.launch(h.command(append([]string{"unshare", "--mount", "sh", "-c", fill, "sh", full}, agentd...)...))
	p.inForce()
	h.enforces()
	h.says("the last good policy cannot be kept for a restart", "no space left on device", "the rules in force are not affected")
	h.write(shopNarrow)
	h.until("the next policy", func() bool { return strings.Contains(h.save(), "--ctorigdstport 444") })
	if n := strings.Count(h.log(), "the last good policy cannot be kept"); n != 1 {
		t.Errorf("a full disk is told of %d times:\n%s", n, h.log())
	}
	inside := []string{"nsenter", "--mount=/proc/" + strconv.Itoa(p.Process.Pid) + "/ns/mnt"}
	h.must(append(inside, "rm", filepath.Join(full, "filler"))...)
	h.mustCtl(0, "apply") // anything that makes it look
	h.says("the last good policy can be kept again")
	if kept := h.must(append(inside, "cat", filepath.Join(full, "policy.json"))...); !strings.Contains(kept, "444") {
		t.Errorf("what is kept at last is not the policy in force: %s", kept)
	}
}

func TestMissingFolders(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	agentd := h.agentd()
	agentd[len(agentd)-1] = filepath.Join(h.dir, "none")
	h.launch(h.command(agentd...)).inForce()
	h.enforces()
	h.says("the last good policy cannot be kept for a restart", "no such file or directory")
	none := filepath.Join(h.dir, "none", "agent.hcl")
	h.refuses(1, "nothing was changed", filepath.Join(h.bin, "agentd"), "--config", none)
	h.refuses(2, "cannot read "+none+": no such file or directory", filepath.Join(h.bin, "agentctl"), "check", "--config", none)
}

// TestWithoutRoot runs both as nobody.
func TestWithoutRoot(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	h.must("chmod", "0755", h.dir, h.bin)
	h.must("chmod", "0644", h.file())
	p := h.start()
	p.inForce()
	nobody := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"}
	agentctl := func(verb string) []string {
		return append(nobody, filepath.Join(h.bin, "agentctl"), verb, "--config", h.file())
	}
	h.refuses(1, "agentd: only root may write the kernel's rules: start it as root", append(nobody, h.agentd()...)...)
	h.refuses(2, "agentctl apply changes the kernel's rules, which only root may: run it with sudo", agentctl("apply")...)
	h.refuses(2, "agentctl remove changes the kernel's rules, which only root may: run it with sudo", agentctl("remove")...)
	h.refuses(2, "only root may: run it with sudo", agentctl("diff")...)
	h.refuses(2, h.socket()+" is for root only (permission denied): run it with sudo", agentctl("status")...)
	h.refuses(2, h.socket()+" is for root only (permission denied): run it with sudo", agentctl("denied")...)
	h.refuses(0, " is fine", agentctl("check")...)
}

// few is a PATH with iptables and nothing else: no ipset, no conntrack, no nft.
func (h *host) few() string {
	h.t.Helper()
	dir := filepath.Join(h.dir, "few")
	if err := os.Mkdir(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-nft", "-nft-save", "-nft-restore", "-save", "-restore"} {
			path, err := exec.LookPath(name + suffix)
			if err != nil {
				h.t.Fatal(err)
			}
			if err := os.Symlink(path, filepath.Join(dir, name+suffix)); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	return "PATH=" + dir
}

// problem waits for a warning in status.
func (h *host) problem(code, says string) {
	h.t.Helper()
	h.until("the warning "+code, func() bool {
		st, _ := h.status()
		for _, p := range st.Problems {
			if string(p.Code) == code {
				return strings.Contains(p.Message, says)
			}
		}
		return false
	})
}

// iptablesBackend keeps auto from taking nftables because something of iptables is missing.
const iptablesBackend = "firewall {\n  backend = \"iptables-nft\"\n}\n"

func TestWithoutIpsetAndConntrack(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom + iptablesBackend)
	h.start(h.few()).inForce()
	h.enforces()
	h.problem("no_ipset", "Install the package ipset")
	if st, _ := h.status(); st.Sets != "inline" || strings.Contains(h.save(), "dockwall4-") {
		t.Errorf("sets are %s:\n%s", st.Sets, h.save())
	}
}

func TestWithoutIptables(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom + iptablesBackend)
	h.start("PATH=" + h.dir)
	h.says("iptables-nft is not installed (Debian's package is iptables)")
	if st, ok := h.status(); !ok || st.State == reconcile.Enforcing || len(st.Reasons) == 0 {
		t.Errorf("without iptables the status is %+v", st)
	}
}

// TestAutoTakesNFTables has auto write to nftables where iptables is not there, or not whole,
// and start no program for it: there is none.
func TestAutoTakesNFTables(t *testing.T) {
	for name, path := range map[string]func(h *host) string{"no iptables": func(h *host) string { return "PATH=" + h.dir }, "no ipset": (*host).few} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.write(shopFrom)
			h.start(path(h)).inForce()
			if st, _ := h.status(); st.Backend != "nftables" || st.Sets != "nftables" {
				t.Errorf("the status is %+v", st)
			}
			if s := h.save(); strings.Contains(s, "DOCKWALL") || strings.Contains(s, "dockwall4-") {
				t.Errorf("iptables holds\n%s", s)
			}
			if s := h.must("nft", "list", "table", "inet", "dockwall"); !strings.Contains(s, "DOCKWALL-") {
				t.Errorf("nftables holds\n%s", s)
			}
		})
	}
}

func TestWithoutNFLOG(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	from, err := filepath.Glob("/usr/lib*/xtables")
	deb, err2 := filepath.Glob("/usr/lib/*/xtables")
	if from = append(from, deb...); err != nil || err2 != nil || len(from) == 0 {
		t.Fatalf("iptables' extensions are not found: %v %v", err, err2)
	}
	extensions := filepath.Join(h.dir, "xtables")
	h.must("sh", "-ec", `cp -r "$1" "$2"; rm "$2/libxt_NFLOG.so"`, "sh", from[0], extensions)
	lacking := "XTABLES_LIBDIR=" + extensions
	out := h.must("env", lacking, filepath.Join(h.bin, "agentctl"), "apply", "--config", h.file())
	if want := "denied packets are dropped, but not reported, and agentctl denied shows none: load the kernel's module xt_NFLOG"; !strings.Contains(out, want) {
		t.Errorf("agentctl apply says %q, want %q", out, want)
	}
	h.enforces()
	// It fails unless nothing is left to change.
	h.must("env", lacking, filepath.Join(h.bin, "agentctl"), "diff", "--config", h.file())
	if out := h.must("env", lacking, filepath.Join(h.bin, "agentctl"), "apply", "--config", h.file()); !strings.Contains(out, "there was nothing to change") {
		t.Errorf("the second agentctl apply says %q", out)
	}
	p := h.start(lacking)
	p.inForce()
	h.enforces()
	h.problem("not_reported", "agentctl denied shows none")
	if text := h.save(); strings.Contains(text, "NFLOG") {
		t.Errorf("there are rules that report:\n%s", text)
	}
	if st, _ := h.status(); len(st.Reasons) != 1 || st.Reasons[0].Code != "docker_away" {
		t.Errorf("the reasons are %+v", st.Reasons)
	}
}

// occupy takes a TCP port on the host until the test ends.
func (h *host) occupy(address string) {
	h.t.Helper()
	listened := make(chan error, 1)
	end := make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread stays on the host, and ends
		ns, err := os.Open("/run/netns/" + h.name)
		if err != nil {
			listened <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			listened <- err
			return
		}
		l, err := net.Listen("tcp", address)
		listened <- err
		if err == nil {
			<-end
			l.Close()
		}
	}()
	if err := <-listened; err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { close(end) })
}

func TestMetricsPortInUse(t *testing.T) {
	h := newHost(t)
	h.occupy("127.0.0.1:9323")
	h.write(shopFrom)
	text, err := os.ReadFile(h.file())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.file(), []byte(strings.Replace(string(text), "control {\n", "control {\n  metrics = \"127.0.0.1:9323\"\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := h.start()
	p.inForce()
	h.enforces()
	h.says("the metrics are not served; the firewall is not affected", "address already in use", "name another as control.metrics")
	h.write(shopNarrow)
	h.until("the next policy", func() bool { return strings.Contains(h.save(), "--ctorigdstport 444") })
}
