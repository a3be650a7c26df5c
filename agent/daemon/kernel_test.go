package daemon

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/reconcile"
)

const (
	shopFrom   = "published \"shop\" {\n  ports = [\"443/tcp\"]\n  from  = [\"203.0.113.0/24\", \"2001:db8:10::/48\"]\n}\n"
	shopNarrow = "published \"shop\" {\n  ports = [\"444/tcp\"]\n  from  = [\"203.0.113.0/25\", \"2001:db8:10::/48\"]\n}\n"
)

// foreign is what an operator and Docker may have in the kernel already.
func (h *host) foreign() {
	for _, tool := range []string{"iptables-nft-restore", "ip6tables-nft-restore"} {
		h.feed("*filter\n:DOCKER-USER - [0:0]\n:DOCKER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER\n"+
			"-A DOCKER-USER -i eth9 -m comment --comment \"by hand\" -j DROP\n-A DOCKER-USER -j RETURN\n"+
			"-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n", tool)
	}
	h.must("ipset", "create", "theirs", "hash:ip")
	h.must("ipset", "add", "theirs", "192.0.2.9")
}

func TestOneShot(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin func(*host)
	}{{"empty", func(*host) {}}, {"foreign rules", (*host).foreign}} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			tt.begin(h)
			h.write(shopFrom)
			before := h.save()
			h.mustCtl(1, "diff")
			h.mustCtl(1, "diff", "--json")
			if after := h.save(); after != before {
				t.Fatalf("diff changed the kernel (-before +after):\n%s", cmp.Diff(before, after))
			}
			h.mustCtl(0, "apply")
			h.mustCtl(0, "diff")
			for family, tool := range map[string]string{"4": "iptables-nft-restore", "6": "ip6tables-nft-restore"} {
				h.feed(h.mustCtl(0, "rules", "--family", family), tool, "--noflush", "--test")
			}
			h.write(shopNarrow)
			h.mustCtl(1, "diff")
			h.mustCtl(0, "apply")
			h.mustCtl(0, "diff")
			h.mustCtl(0, "remove")
			if after := h.save(); after != before {
				t.Fatalf("remove left (-want +got):\n%s", cmp.Diff(before, after))
			}
			h.mustCtl(0, "remove")
		})
	}
}

// status asks the daemon; ok: it answered.
func (h *host) status() (st reconcile.Status, ok bool) {
	stdout, _, code := h.ctl("status", "--json", "--socket", h.socket())
	if code == 2 {
		return st, false
	}
	if err := json.Unmarshal([]byte(stdout), &st); err != nil {
		h.t.Fatalf("status --json: %v: %s", err, stdout)
	}
	return st, true
}

// inForce waits until the daemon has applied something.
func (p *agentProcess) inForce() {
	p.h.t.Helper()
	p.h.until("agentd to apply", func() bool {
		if p.ended() {
			p.h.t.Fatalf("agentd has ended:\n%s", p.h.log())
		}
		st, ok := p.h.status()
		return ok && st.State != reconcile.Starting
	})
}

func TestDaemonHoldsTheFile(t *testing.T) {
	h := newHost(t)
	h.foreign()
	h.write(shopFrom)
	p := h.start()
	p.inForce()
	h.mustCtl(0, "diff")
	if st, _ := h.status(); len(st.Reasons) != 1 || st.Reasons[0].Code != "docker_away" || st.Config.Path != h.file() {
		t.Errorf("status: %+v", st)
	}

	second := h.start()
	if code := second.wait(); code != 1 || !strings.Contains(h.log(), "another agentd is running: process ") {
		t.Errorf("a second agentd = %d:\n%s", code, h.log())
	}
	if _, stderr, code := h.ctl("remove"); code != 2 || !strings.Contains(stderr, "agentd is running") {
		t.Errorf("remove beside agentd = %d: %s", code, stderr)
	}

	h.write(shopNarrow)
	if out := h.mustCtl(0, "apply", "--json"); !strings.Contains(out, `"by": "agentd"`) {
		t.Errorf("apply beside agentd: %s", out)
	}
	if !strings.Contains(h.save(), "--ctorigdstport 444") {
		t.Errorf("the file is not in force:\n%s", h.save())
	}
	h.mustCtl(0, "diff")

	h.must("iptables-nft", "-F", "INPUT")
	h.until("the jump to be put back", func() bool {
		return strings.Contains(h.must("iptables-nft", "-S", "INPUT"), "DOCKWALL-INPUT")
	})

	loaded, _ := h.status()
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	h.until("SIGHUP to reload", func() bool {
		st, _ := h.status()
		return st.Config.LoadedAt.After(loaded.Config.LoadedAt)
	})
	if code := p.stop(); code != 0 || !strings.Contains(h.log(), "the rules stay in the kernel") {
		t.Errorf("SIGTERM = %d:\n%s", code, h.log())
	}
	h.mustCtl(0, "diff")
}

func TestBadFileChangesNothing(t *testing.T) {
	h := newHost(t)
	before := h.save()
	h.write(shopFrom)
	p := h.start()
	p.inForce()
	held := h.save()
	bad := func() bool {
		st, ok := h.status()
		return ok && strings.Contains(st.Config.Error, "agent.hcl:7:1")
	}
	h.write("published \"shop\" {\n}\n")
	h.until("the error in status", bad)
	if h.save() != held {
		t.Error("a bad file changed the kernel")
	}
	// A restart with the bad file: the last good policy, also where somebody
	// has taken the rules away meanwhile.
	p.stop()
	h.mustCtl(0, "remove")
	p = h.start()
	p.inForce()
	h.until("the error in status", bad)
	if after := h.save(); after != held {
		t.Errorf("the kernel after the restart (-want +got):\n%s", cmp.Diff(held, after))
	}
	h.write(shopFrom + "firewall {\n  on_stop = \"remove\"\n}\n")
	h.until("the good file", func() bool {
		st, ok := h.status()
		return ok && st.Config.Error == ""
	})
	if code := p.stop(); code != 0 {
		t.Errorf("SIGTERM = %d:\n%s", code, h.log())
	}
	if after := h.save(); after != before {
		t.Errorf("on_stop = remove left (-want +got):\n%s", cmp.Diff(before, after))
	}
}

func TestNoPolicyNoStart(t *testing.T) {
	h := newHost(t)
	before := h.save()
	p := h.start() // no file at all
	if code := p.wait(); code != 1 || !strings.Contains(h.log(), "nothing was changed") || !strings.Contains(h.log(), h.file()) {
		t.Errorf("agentd without a file = %d:\n%s", code, h.log())
	}
	if h.save() != before {
		t.Error("the kernel was changed")
	}
	if err := os.WriteFile(filepath.Join(h.dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.write("")
	text, err := os.ReadFile(h.file())
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(text), "/agent.sock", "/file/agent.sock", 1)
	if err := os.WriteFile(h.file(), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := h.start().wait(); code != 1 || !strings.Contains(h.log(), "making the control socket's folder") {
		t.Errorf("agentd without a folder for its socket = %d:\n%s", code, h.log())
	}
}

func TestSystemdIsTold(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	path := filepath.Join(h.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := h.start("NOTIFY_SOCKET="+path, "WATCHDOG_USEC=300000")
	var told []string
	next := func() string {
		b := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("systemd was told %q and then nothing; the log:\n%s", told, h.log())
		}
		told = append(told, string(b[:n]))
		return told[len(told)-1]
	}
	// Ready means that the rules are in force, Docker or not.
	for next() != "READY=1" {
	}
	if !strings.Contains(h.save(), "DOCKWALL-INPUT") {
		t.Error("READY before the rules were in force")
	}
	// Signs of life go on while nothing happens.
	for pings := 0; pings < 3; {
		if next() == "WATCHDOG=1" {
			pings++
		}
	}
	p.stop()
	for next() != "STOPPING=1" {
	}
	if !slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "STATUS=degraded;") }) {
		t.Errorf("systemd was told %q", told)
	}
}
