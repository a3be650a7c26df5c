package hostnet

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
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

// scannerWithoutConfig does not read this machine's daemon.json.
func scannerWithoutConfig(t *testing.T, p fakeProc) *Scanner {
	t.Helper()
	s := NewScanner(p.root)
	s.configFile = filepath.Join(t.TempDir(), "daemon.json")
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
		"--tlsverify -H tcp://127.0.0.1 --metrics-addr :9323":   append(encrypted(true, "127.0.0.1:2376"), api("[::]:9323")...),
		"-H tcp://docker.example:8000":                          api("[::]:8000"),
		"-H tcp://[fe80::1%25eth0]:8001":                        api("[fe80::1]:8001"),
		"--metrics-addr 127.0.0.1:9323":                         api("127.0.0.1:9323"),
		"--metrics-addr=:9323 -H tcp://0.0.0.0:2375":            api("0.0.0.0:2375", "[::]:9323"),
		"-H tcp://0.0.0.0:2375 -H tcp://0.0.0.0:2375":           api("0.0.0.0:2375"),
		"-H tcp://0.0.0.0:notaport":                             nil,
		"-H":                                                    nil,
	} {
		p := newFakeProc(t)
		p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd "+args)
		got, err := scannerWithoutConfig(t, p).Dockerd(nil)
		must(t, err)
		if diff := cmp.Diff(want, got, equalAddrs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("dockerd %s (-want +got):\n%s", args, diff)
		}
	}
}

func TestDockerdByItsConfiguration(t *testing.T) {
	p := newFakeProc(t)
	s := scannerWithoutConfig(t, p)
	must(t, os.WriteFile(s.configFile, []byte(`{"hosts": ["fd://", "tcp://0.0.0.0"], "tls": true, "debug": true}`), 0o600))
	other := filepath.Join(t.TempDir(), "other.json")
	must(t, os.WriteFile(other, []byte(`{"Hosts": ["tcp://192.0.2.1:9999"], "metrics-addr": "0.0.0.0:9323"}`), 0o600))
	p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd")
	p.process(11, "dockerd", "net:[1]", "/usr/bin/dockerd --config-file "+other)
	p.process(12, "dockerd", "net:[2]", "/usr/bin/dockerd -H tcp://0.0.0.0:1")
	p.process(13, "notdockerd", "net:[1]", "/usr/bin/notdockerd -H tcp://0.0.0.0:2")
	got, err := s.Dockerd(nil)
	must(t, err)
	if diff := cmp.Diff(slices.Concat(encrypted(false, "0.0.0.0:2376"), api("0.0.0.0:9323", "192.0.2.1:9999")), got, equalAddrs); diff != "" {
		t.Errorf("dockerd (-want +got):\n%s", diff)
	}
}

func TestBrokenConfigurationHidesNothingElse(t *testing.T) {
	p := newFakeProc(t)
	s := scannerWithoutConfig(t, p)
	must(t, os.WriteFile(s.configFile, []byte(`{"hosts": `), 0o600))
	p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd -H tcp://0.0.0.0:2375")
	got, err := s.Dockerd(nil)
	if err == nil {
		t.Error("no error")
	}
	if diff := cmp.Diff(api("0.0.0.0:2375"), got, equalAddrs); diff != "" {
		t.Errorf("dockerd (-want +got):\n%s", diff)
	}
}

func TestDockerdByItsOpenSockets(t *testing.T) {
	p := newFakeProc(t)
	p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd")
	p.child(10, 11, "docker-proxy", "net:[1]", proxyTCP)
	p.link("10/fd/0", "/dev/null")
	p.link("10/fd/3", "socket:[100]")
	p.link("10/fd/4", "socket:[101]")
	p.link("10/fd/5", "socket:[102]")
	p.link("10/fd/6", "socket:[999]")
	socket := func(addr string, proto netinfo.Protocol, inode uint64) Socket {
		a := netip.MustParseAddrPort(addr)
		return Socket{Addr: a.Addr(), Port: a.Port(), Proto: proto, Inode: inode}
	}
	got, err := scannerWithoutConfig(t, p).Dockerd([]Socket{
		socket("[::]:2377", netinfo.TCP, 100),
		socket("0.0.0.0:4789", netinfo.UDP, 101),
		socket("0.0.0.0:8080", netinfo.TCP, 102), // a published port's, which docker-proxy serves
		socket("0.0.0.0:22", netinfo.TCP, 103),
	})
	must(t, err)
	if diff := cmp.Diff(api("[::]:2377"), got, equalAddrs); diff != "" {
		t.Errorf("dockerd (-want +got):\n%s", diff)
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
		"Swarm's, which has its own TLS": {"--tlsverify -H unix:///x.sock", "{}", "[::]:2377", api("[::]:2377")},
	} {
		p := newFakeProc(t)
		s := scannerWithoutConfig(t, p)
		must(t, os.WriteFile(s.configFile, []byte(tt.file), 0o600))
		p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd "+tt.args)
		var sockets []Socket
		if tt.held != "" {
			p.link("10/fd/3", "socket:[100]")
			a := netip.MustParseAddrPort(tt.held)
			sockets = []Socket{{Addr: a.Addr(), Port: a.Port(), Proto: netinfo.TCP, Inode: 100}}
		}
		got, err := s.Dockerd(sockets)
		must(t, err)
		if diff := cmp.Diff(tt.want, got, equalAddrs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
