package hostnet

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

func api(addrs ...string) []netinfo.Listener {
	var all []netinfo.Listener
	for _, s := range addrs {
		a := netip.MustParseAddrPort(s)
		all = append(all, netinfo.Listener{Addr: a.Addr(), Proto: netinfo.TCP, Port: a.Port(), Dockerd: true})
	}
	return all
}

// encrypted are API sockets with these settings.
func encrypted(verify bool, addrs ...string) []netinfo.Listener {
	all := api(addrs...)
	for i := range all {
		all[i].TLS, all[i].TLSVerify = true, verify
	}
	return all
}

// scannerWithoutConfig does not read this machine's daemon.json and units.
func scannerWithoutConfig(t *testing.T, p fakeProc) *Scanner {
	t.Helper()
	s := NewScanner(p.root)
	s.configFile, s.units.dirs = filepath.Join(t.TempDir(), "daemon.json"), nil
	return s
}

func TestDockerdByItsArguments(t *testing.T) {
	for args, want := range map[string][]netinfo.Listener{
		"-H fd:// --containerd=/run/containerd/containerd.sock": nil,
		"-H tcp://0.0.0.0:2375":                                 api("0.0.0.0:2375"),
		"-H=tcp://192.0.2.1:4243 -Htcp://[::1]:99":              api("192.0.2.1:4243", "[::1]:99"),
		"--host tcp://:5000 --host=unix:///x.sock":              api("127.0.0.1:5000"),
		"-DH 0.0.0.0:7000":                                      api("0.0.0.0:7000"),
		"-H tcp://":                                             api("127.0.0.1:2375"),
		"--tlsverify -H tcp://0.0.0.0":                          encrypted(true, "0.0.0.0:2376"),
		"--tls -H tcp://0.0.0.0":                                encrypted(false, "0.0.0.0:2376"),
		"--tls --tlsverify=1 -H tcp://0.0.0.0:4000":             encrypted(true, "0.0.0.0:4000"),
		"--tlsverify=false -H tcp://0.0.0.0":                    encrypted(false, "0.0.0.0:2376"), // dockerd turns TLS on
		"--tls=false -H tcp://0.0.0.0":                          api("0.0.0.0:2375"),
		"--tls=0 -H tcp://0.0.0.0":                              api("0.0.0.0:2375"),
		"--tlsverify -H tcp://127.0.0.1 --metrics-addr :9323":   encrypted(true, "127.0.0.1:2376"),
		"-H tcp://docker.example:8000":                          api("[::]:8000"),
		"-H tcp://[fe80::1%25eth0]:8001":                        api("[fe80::1]:8001"),
		"--metrics-addr 127.0.0.1:9323":                         nil,
		"--metrics-addr=:9323 -H tcp://0.0.0.0:2375":            api("0.0.0.0:2375"),
		"-H tcp://0.0.0.0:2375 -H tcp://0.0.0.0:2375":           api("0.0.0.0:2375"),
		"-H tcp://0.0.0.0:notaport":                             nil,
		"-H":                                                    nil,
	} {
		p := newFakeProc(t)
		p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd "+args)
		got, err := scannerWithoutConfig(t, p).Dockerd(nil)
		nstest.Must(t, err)
		if diff := cmp.Diff(want, got, equalAddrs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("dockerd %s (-want +got):\n%s", args, diff)
		}
	}
}

func TestDockerdByItsConfiguration(t *testing.T) {
	p := newFakeProc(t)
	s := scannerWithoutConfig(t, p)
	nstest.Must(t, os.WriteFile(s.configFile, []byte(`{"hosts": ["fd://", "tcp://0.0.0.0"], "tls": true, "debug": true}`), 0o600))
	other := filepath.Join(t.TempDir(), "other.json")
	nstest.Must(t, os.WriteFile(other, []byte(`{"Hosts": ["tcp://192.0.2.1:9999"], "metrics-addr": "0.0.0.0:9323"}`), 0o600))
	p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd")
	p.process(11, "dockerd", "net:[1]", "/usr/bin/dockerd --config-file "+other)
	p.process(12, "dockerd", "net:[2]", "/usr/bin/dockerd -H tcp://0.0.0.0:1")
	p.process(13, "notdockerd", "net:[1]", "/usr/bin/notdockerd -H tcp://0.0.0.0:2")
	got, err := s.Dockerd(nil)
	nstest.Must(t, err)
	if diff := cmp.Diff(slices.Concat(encrypted(false, "0.0.0.0:2376"), api("192.0.2.1:9999")), got, equalAddrs); diff != "" {
		t.Errorf("dockerd (-want +got):\n%s", diff)
	}
}

func TestBrokenConfigurationHidesNothingElse(t *testing.T) {
	p := newFakeProc(t)
	s := scannerWithoutConfig(t, p)
	nstest.Must(t, os.WriteFile(s.configFile, []byte(`{"hosts": `), 0o600))
	p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd -H tcp://0.0.0.0:2375")
	got, err := s.Dockerd(nil)
	if err == nil {
		t.Error("no error")
	}
	if diff := cmp.Diff(api("0.0.0.0:2375"), got, equalAddrs); diff != "" {
		t.Errorf("dockerd (-want +got):\n%s", diff)
	}
}

// What dockerd holds and its settings do not name is the API's, except Swarm's ports
// and the metrics: nodes of a swarm that cannot reach each other are down.
func TestDockerdByItsOpenSockets(t *testing.T) {
	held := []string{"[::]:2377", "[::]:7946", "[::]:9323", "0.0.0.0:8080", "192.0.2.1:4000", "[::]:3377"}
	for name, tt := range map[string]struct {
		args, file, swarm string
		want              []netinfo.Listener
	}{
		"nothing is named":        {"", "{}", "", api("192.0.2.1:4000", "[::]:3377", "[::]:9323")},
		"metrics by argument":     {"--metrics-addr :9323", "{}", "", api("192.0.2.1:4000", "[::]:3377")},
		"metrics by the file":     {"", `{"metrics-addr": "0.0.0.0:9323"}`, "", api("192.0.2.1:4000", "[::]:3377")},
		"metrics elsewhere":       {"--metrics-addr 192.0.2.1:9323", "{}", "", api("192.0.2.1:4000", "[::]:3377", "[::]:9323")},
		"a swarm on another port": {"--metrics-addr :9323", "{}", `{"ListenAddr": "0.0.0.0:3377"}`, api("192.0.2.1:4000")},
		"a worker":                {"--metrics-addr :9323", "{}", `{"ListenAddr": ""}`, api("192.0.2.1:4000", "[::]:3377")},
		"the API on a port of Swarm's": {"-H tcp://0.0.0.0:2377 --metrics-addr :9323", "{}", `{"ListenAddr": "0.0.0.0:3377"}`,
			api("0.0.0.0:2377", "192.0.2.1:4000", "[::]:2377")},
	} {
		p := newFakeProc(t)
		root := t.TempDir()
		p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd --data-root "+root+" "+tt.args)
		p.child(10, 11, "docker-proxy", "net:[1]", proxyTCP)
		var sockets []Socket
		for i, addr := range held {
			p.link(fmt.Sprintf("10/fd/%d", i+3), fmt.Sprintf("socket:[%d]", i+100))
			a := netip.MustParseAddrPort(addr)
			sockets = append(sockets, Socket{Addr: a.Addr(), Port: a.Port(), Proto: netinfo.TCP, Inode: uint64(i + 100)})
		}
		sockets = append(sockets, Socket{Addr: netip.IPv4Unspecified(), Port: 4789, Proto: netinfo.UDP, Inode: 100},
			Socket{Addr: netip.IPv4Unspecified(), Port: 22, Proto: netinfo.TCP, Inode: 200})
		if tt.swarm != "" {
			nstest.Must(t, os.Mkdir(filepath.Join(root, "swarm"), 0o700))
			nstest.Must(t, os.WriteFile(filepath.Join(root, "swarm", "docker-state.json"), []byte(tt.swarm), 0o600))
		}
		s := scannerWithoutConfig(t, p)
		nstest.Must(t, os.WriteFile(s.configFile, []byte(tt.file), 0o600))
		got, err := s.Dockerd(sockets)
		nstest.Must(t, err)
		if diff := cmp.Diff(tt.want, got, equalAddrs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The sockets that systemd hands over are named by its units alone.
func TestDockerdBySystemdsSockets(t *testing.T) {
	etc, lib := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) {
		nstest.Must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		nstest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write(lib, "docker.socket", "[Unit]\n[Socket]\nListenStream=/run/docker.sock\nListenStream=4000\n")
	write(lib, "docker.socket.d/10-a.conf", "[Socket]\nListenStream=192.0.2.1:4001\n")
	write(lib, "docker.socket.d/20-b.conf", "[Socket]\nListenStream=4002\n")
	write(etc, "docker.socket.d/20-b.conf", "[Socket]\nListenStream=[2001:db8::1]:4003\n")
	write(etc, "docker-tcp.socket", "[Socket]\nListenStream=0.0.0.0:4004\nListenStream=\nListenStream=0.0.0.0:4005\nService=docker.service\n")
	write(lib, "docker-tcp.socket", "[Socket]\nListenStream=0.0.0.0:4006\nService=docker.service\n")
	write(etc, "sshd.socket", "[Socket]\nListenStream=22\n")
	nstest.Must(t, os.Symlink(os.DevNull, filepath.Join(etc, "masked.socket")))
	for args, want := range map[string][]netinfo.Listener{
		"--tlsverify -H fd://":       encrypted(true, "0.0.0.0:4005", "192.0.2.1:4001", "[::]:4000", "[2001:db8::1]:4003"),
		"-H unix:///run/docker.sock": nil,
	} {
		p := newFakeProc(t)
		p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd "+args)
		p.write("10/cgroup", "12:pids:/system.slice/docker.service\n0::/system.slice/docker.service\n")
		s := scannerWithoutConfig(t, p)
		s.units.dirs = []string{etc, lib}
		got, err := s.Dockerd(nil)
		nstest.Must(t, err)
		if diff := cmp.Diff(want, got, equalAddrs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("dockerd %s (-want +got):\n%s", args, diff)
		}
	}
}

// tls and tlsverify are two settings, on the command line and in the file, and hold
// for the API's sockets alone.
func TestTLSOfTheAPI(t *testing.T) {
	for name, tt := range map[string]struct {
		args, file string
		held       string
		want       []netinfo.Listener
	}{
		"tls in the file":                {"", `{"hosts": ["tcp://0.0.0.0:4000"], "tls": true}`, "", encrypted(false, "0.0.0.0:4000")},
		"tlsverify in the file":          {"", `{"hosts": ["tcp://0.0.0.0:4000"], "tlsverify": true}`, "", encrypted(true, "0.0.0.0:4000")},
		"tlsverify false in the file":    {"", `{"hosts": ["tcp://0.0.0.0"], "tlsverify": false}`, "", encrypted(false, "0.0.0.0:2376")},
		"one here, the other there":      {"--tlsverify", `{"hosts": ["tcp://0.0.0.0:4000"], "tls": true}`, "", encrypted(true, "0.0.0.0:4000")},
		"configured and held":            {"--tlsverify -H tcp://0.0.0.0:4000", "{}", "0.0.0.0:4000", encrypted(true, "0.0.0.0:4000")},
		"a name, held on every address":  {"--tlsverify -H tcp://docker.example:4000", "{}", "[::]:4000", encrypted(true, "[::]:4000")},
		"handed over by systemd":         {"--tlsverify -H fd://", "{}", "[::]:2376", encrypted(true, "[::]:2376")},
		"Swarm's, which has its own TLS": {"--tlsverify -H unix:///x.sock", "{}", "[::]:2377", nil},
	} {
		p := newFakeProc(t)
		s := scannerWithoutConfig(t, p)
		nstest.Must(t, os.WriteFile(s.configFile, []byte(tt.file), 0o600))
		p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd "+tt.args)
		var sockets []Socket
		if tt.held != "" {
			p.link("10/fd/3", "socket:[100]")
			a := netip.MustParseAddrPort(tt.held)
			sockets = []Socket{{Addr: a.Addr(), Port: a.Port(), Proto: netinfo.TCP, Inode: 100}}
		}
		got, err := s.Dockerd(sockets)
		nstest.Must(t, err)
		if diff := cmp.Diff(tt.want, got, equalAddrs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
