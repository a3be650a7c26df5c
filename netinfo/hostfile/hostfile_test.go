package hostfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo/inventory"
)

// host makes a root with these files; one whose text begins with "-> " is a link.
func host(t *testing.T, files map[string]string) Reader {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, name)
		} else {
			err = os.WriteFile(name, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Reader{root}
}

func TestResolve(t *testing.T) {
	r := host(t, map[string]string{"/run/docker.sock": "", "/var/run": "-> /run", "/etc/docker/up": "-> ../../../../run", "/etc/loop": "-> loop"})
	for name, want := range map[string]string{
		"/var/run/docker.sock": "/run/docker.sock", "/etc/docker/up/docker.sock": "/run/docker.sock", "/nowhere/x": "/nowhere/x", "/": "/", "/var/run/../x": "/run/../x",
	} {
		want = filepath.Clean(want)
		if name == "/var/run/../x" {
			want = "/var/x" // path.Clean comes first, as for Docker's own sources
		}
		if got, err := r.Resolve(name); got != want || err != nil {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
	}
	if _, err := r.Resolve("/etc/loop"); err == nil {
		t.Error("a loop is no error")
	}
}

func TestFile(t *testing.T) {
	r := host(t, map[string]string{"/etc/docker/daemon.json": "{}", "/etc/passwd": fmt.Sprintf("root:x:0:0\nme:x:%d:0\n", os.Getuid())})
	if err := os.Chmod(r.at("/etc/docker/daemon.json"), 0o622); err != nil {
		t.Fatal(err)
	}
	who := r.accounts()
	f, err := r.file("/etc/docker/daemon.json", who)
	if err != nil || f.Mode != 0o622 || f.Kind != "file" || f.Owner != who.users[fmt.Sprint(os.Getuid())] || len(f.Parents) != 3 || f.Parents[0].Path != "/" || f.Parents[2].Path != "/etc/docker" {
		t.Errorf("got %+v, %v", f, err)
	}
	for _, name := range []string{"/etc/docker/none", "/etc/passwd/none"} {
		if f, err := r.file(name, who); err != nil || !f.Missing {
			t.Errorf("%s is %+v, %v", name, f, err)
		}
	}
}

func TestDockerGroup(t *testing.T) {
	groups := fmt.Sprintf("root:x:0:\ndocker:x:990:ann,bob\nmine:x:%d:eve\n", os.Getgid()+50000)
	r := host(t, map[string]string{"/etc/group": groups, "/etc/passwd": "root:x:0:0\nann:x:1:990\ncarl:x:2:990::\ndave:x:3:100\n"})
	got, err := r.dockerGroup("/run/docker.sock")
	if d := cmp.Diff([]string{"ann", "bob", "carl"}, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	r = host(t, map[string]string{"/etc/group": "root:x:0:\n", "/etc/passwd": "root:x:0:0\n"})
	if got, err := r.dockerGroup("/run/docker.sock"); len(got) > 0 || err != nil {
		t.Errorf("without a group: %v, %v", got, err)
	}
}

func TestDaemonFile(t *testing.T) {
	r := host(t, map[string]string{"/a.json": `{"icc":false}`, "/bad.json": `{`, "/dir/x": ""})
	if f := r.DaemonFile("/a.json"); !f.Read || f.Value["icc"] != false {
		t.Errorf("got %+v", f)
	}
	if f := r.DaemonFile("/none.json"); !f.Read || len(f.Value) > 0 {
		t.Errorf("no file: %+v", f)
	}
	if err := syscall.Mkfifo(r.at("/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/bad.json", "/dir", "/fifo"} {
		if f := r.DaemonFile(name); f.Read || f.Reason == "" || strings.Contains(f.Reason, r.Root) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestSocketUnit(t *testing.T) {
	r := host(t, map[string]string{
		"/lib/systemd/system/docker.socket":           "[Socket]\nListenStream=/run/docker.sock\n",
		"/etc/systemd/system/docker.socket.d/a.conf":  "[Socket]\nListenStream=0.0.0.0:2375\n",
		"/etc/systemd/system/docker.socket.d/a.conf~": "ListenStream=9\n",
	})
	if d := cmp.Diff([]string{"/run/docker.sock", "0.0.0.0:2375"}, r.SocketUnit().Value); d != "" {
		t.Error(d)
	}
	r = host(t, map[string]string{"/lib/systemd/system/docker.socket": "ListenStream=/a\nListenStream=\nListenStream = /b\n"})
	if d := cmp.Diff([]string{"/b"}, r.SocketUnit().Value); d != "" {
		t.Error(d)
	}
}

// process are the files of a container's process 42 on a host with cgroups of version 2.
func process() map[string]string {
	return map[string]string{
		"/proc/1/mountinfo": "1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n2 1 8:1 / /mnt/with\\040blank rw shared:7 - ext4 /dev/b rw\n",
		"/proc/42/status":   "Name:\tx\nUid:\t1000\t1001\t1000\t1000\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n",
		"/proc/42/stat":     "42 (a ) b) S 1 42 42 0\n", "/proc/42/exe": "-> /usr/sbin/sshd",
		"/proc/42/attr/current": "docker-default (enforce)\n", "/proc/42/uid_map": "         0     100000      65536\n",
		"/proc/42/limits":  "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\nMax processes             unlimited            unlimited            processes\n",
		"/proc/42/cgroup":  "0::/system.slice/docker-x.scope\n",
		"/proc/42/net/tcp": "  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A 0\n   1: 0100007F:1F90 0100007F:0016 01 0\n", "/proc/42/net/packet": "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n1 3 3 0003 2 1 0 0 815\n2 3 2 0000 2 1 0 0 816\n",
		"/proc/42/fd/0": "-> /dev/null", "/proc/42/fd/7": "-> socket:[815]",
		"/proc/42/mountinfo": "5 4 0:1 / / ro - overlay o rw\n6 5 8:1 / /data rw shared:7 - ext4 /dev/b rw\n7 5 8:1 / /own rw shared:99 - ext4 /dev/b rw\n",
		"/proc/42/ns/net":    "-> net:[1]", "/proc/42/ns/pid": "-> pid:[2]",
		"/sys/fs/cgroup/system.slice/docker-x.scope/pids.max": "100\n", "/sys/fs/cgroup/system.slice/docker-x.scope/memory.max": "max\n",
		"/sys/fs/cgroup/system.slice/docker-x.scope/cgroup.procs": "42\n43\n",
	}
}

func TestProcess(t *testing.T) {
	r := host(t, process())
	c := inventory.Container{ID: "x", PID: 42}
	r.Processes().Complete(&c)
	want := inventory.Process{
		Status: inventory.Known(inventory.Status{CapBnd: 0xa80425fb, Seccomp: 2, NoNewPrivs: true, UID: 1001}),
		Label:  inventory.Known("docker-default (enforce)"), HostRoot: inventory.Known(false),
		Limits:  inventory.Known(map[string]int64{"Max open files": 524288, "Max processes": -1}),
		PidsMax: inventory.Known[int64](100), MemoryMax: inventory.Known[int64](-1),
		Namespaces:   inventory.Known(map[string]string{"net": "net:[1]", "pid": "pid:[2]"}),
		ReadonlyRoot: inventory.Known(true), SharedMounts: inventory.Known([]string{"/data"}),
		Members:   inventory.Known([]inventory.Member{{PID: 42, Exe: "/usr/sbin/sshd", CapBnd: 0xa80425fb, Leader: true}}),
		Listening: inventory.Known([]uint16{22}), PacketSockets: inventory.Known(1),
	}
	if d := cmp.Diff(want, c.Process); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A process whose cgroup does not name the container is another's.
func TestForeignProcess(t *testing.T) {
	r := host(t, process())
	for id, pid := range map[string]int{"other": 42, "": 42, "x": 43} {
		c := inventory.Container{ID: id, PID: pid}
		r.Processes().Complete(&c)
		if c.Process.Status.Read || c.Process.Status.Reason == "" || c.Process.PacketSockets.Read || c.Process.Members.Reason == "" {
			t.Errorf("%q: %+v", id, c.Process)
		}
	}
}

func TestBelow(t *testing.T) {
	r := host(t, map[string]string{"/certs/b/ca.crt": "", "/certs/a/ca.crt": "", "/certs/link": "-> /"})
	if d := cmp.Diff([]string{"/certs/a", "/certs/a/ca.crt", "/certs/b", "/certs/b/ca.crt", "/certs/link"}, r.Below("/certs")); d != "" {
		t.Error(d)
	}
	if got := r.Below("/none"); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestCgroup1(t *testing.T) {
	files := process()
	files["/proc/42/cgroup"] = "5:pids:/docker/x\n4:memory:/docker/x\n0::/\n"
	files["/sys/fs/cgroup/pids/docker/x/pids.max"] = "max\n"
	files["/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes"] = "9223372036854771712\n"
	r := host(t, files)
	p := r.Processes().process(42)
	if !p.PidsMax.Read || p.PidsMax.Value != -1 || !p.MemoryMax.Read || p.MemoryMax.Value != -1 || p.Members.Read {
		t.Errorf("got %+v, %+v, %+v", p.PidsMax, p.MemoryMax, p.Members)
	}
}

// A process that has ended, and one that is not there, is unread in every fact.
func TestEndedProcess(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"gone": {}, "zombie": {"/proc/42/status": "Name:\tx\n", "/proc/42/mountinfo": "", "/proc/42/limits": "", "/proc/42/uid_map": ""},
	} {
		r := host(t, files)
		p := r.Processes().process(42)
		for _, reason := range []string{p.Status.Reason, p.HostRoot.Reason, p.Limits.Reason, p.PidsMax.Reason, p.MemoryMax.Reason, p.Label.Reason,
			p.Namespaces.Reason, p.ReadonlyRoot.Reason, p.SharedMounts.Reason, p.Members.Reason, p.Listening.Reason, p.PacketSockets.Reason} {
			if reason == "" || strings.Contains(reason, r.Root) {
				t.Errorf("%s: the reason is %q in %+v", name, reason, p)
			}
		}
	}
}

func TestMountSources(t *testing.T) {
	r := host(t, map[string]string{"/var/run": "-> /run", "/run/x": ""})
	c := inventory.Container{Mounts: []inventory.Mount{{Source: "/var/run/x"}, {Type: "tmpfs"}}}
	r.Processes().Complete(&c)
	if c.Mounts[0].Real != "/run/x" || c.Mounts[0].Socket || c.Mounts[1].Real != "" || c.Process.Status.Read {
		t.Errorf("got %+v", c.Mounts)
	}
}

func TestHost(t *testing.T) {
	r := host(t, map[string]string{
		"/proc/sys/kernel/osrelease": "6.1.0\n", "/lib/modules/6.1.0/modules.order": "", "/lib/modules/5.0.0/build": "",
		"/sys/devices/system/cpu/vulnerabilities/l1tf": "Not affected\n", "/sys/kernel/security/lsm": "capability,apparmor",
		"/proc/sys/net/ipv4/conf/br-1/route_localnet": "1\n", "/proc/sys/net/ipv4/conf/eth0.5/route_localnet": "0\n",
		"/proc/1/mountinfo": "1 0 8:1 / / rw - ext4 a rw\n",
	})
	h := r.Host([]string{"/etc/docker"}, "/run/docker.sock")
	if h.Kernel.Value != "6.1.0" || len(h.Kernels.Value) != 1 || h.Vulnerabilities.Value["l1tf"] != "Not affected" || h.LSMs.Value[1] != "apparmor" ||
		h.Sysctl("net.ipv4.conf.br-1.route_localnet") != "1" || h.Sysctl("net.ipv4.conf.eth0/5.route_localnet") != "0" ||
		!h.Files["/etc/docker"].Value.Missing || h.DockerGroup.Read || h.Namespaces.Read {
		t.Errorf("got %+v", h)
	}
}
