package unit

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	debian = "/lib/systemd/system/docker.service"
	// As the package has it, shortened.
	debianUnit = "[Unit]\nAfter=network-online.target docker.socket\n[Service]\nType=notify\nEnvironmentFile=-/etc/default/docker\n" +
		"ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS\nExecReload=/bin/kill -s HUP $MAINPID\n"
	socketUnit = "[Socket]\nListenStream=/run/docker.sock\nSocketMode=0660\n"
)

func want() Want {
	return Want{Hosts: []string{"tcp://192.0.2.1:2376"}, Flags: []string{"--tlsverify", "--tlscacert=/etc/dockwall/tls/clients.pem"}}
}

func host(files ...File) Host {
	return Host{Service: append([]File{{debian, debianUnit}}, files...), Socket: []File{{"/lib/systemd/system/docker.socket", socketUnit}}}
}

func dropIn(name, text string) File {
	return File{"/etc/systemd/system/docker.service.d/" + name, text}
}

func TestMake(t *testing.T) {
	const added = " -H tcp://192.0.2.1:2376 --tlsverify --tlscacert=/etc/dockwall/tls/clients.pem"
	for _, x := range []struct {
		name string
		host Host
		want string // the last ExecStart
		from string
	}{
		{"the package's unit", host(), "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS" + added, debian},
		{"a drop-in that resets the command", host(dropIn("proxy.conf", "[Service]\nEnvironment=HTTP_PROXY=x\n"), dropIn("override.conf", "[Service]\nExecStart=\nExecStart=/opt/dockerd \\\n  -H fd:// \\\n# a comment\n  --debug\n")),
			"/opt/dockerd -H fd:// --debug" + added, "/etc/systemd/system/docker.service.d/override.conf"},
		{"no -H at all", Host{Service: []File{{debian, "[Service]\nExecStart=/usr/bin/dockerd\n"}}},
			"/usr/bin/dockerd -H unix:///var/run/docker.sock" + added, debian},
		{"installed before", host(dropIn("zz-dockwall-tls.conf", Marker+"\n[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H tcp://0.0.0.0:2376 --tlsverify\n")),
			"/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS" + added, debian},
		{"harmless settings", Host{Service: []File{{debian, debianUnit}}, Config: File{"/etc/docker/daemon.json", `{"live-restore": true}`},
			Environment: []File{{"/etc/default/docker", "# DOCKER_OPTS=-H tcp://0.0.0.0\nDOCKER_OPTS=\"--dns 192.0.2.53\"\n"}}},
			"/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS" + added, debian},
		{"a prefix and quotes", Host{Service: []File{{debian, "[Service]\nExecStart=-/usr/bin/dockerd \"--label=a b\" -H unix:///run/docker.sock\n"}}},
			`-/usr/bin/dockerd "--label=a b" -H unix:///run/docker.sock` + added, debian},
		{"a socket that is not handed over", Host{Service: []File{{debian, "[Service]\nExecStart=/usr/bin/dockerd -H unix:///run/docker.sock\n"}},
			Socket: []File{{"docker.socket", "[Socket]\nListenStream=2375\n"}}}, "/usr/bin/dockerd -H unix:///run/docker.sock" + added, debian},
	} {
		p, err := Make(x.host, want())
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		all := settings(append(x.host.Service, File{p.Path, p.Text}), "Service", "ExecStart")
		if len(all) != 1 || all[0].value != x.want || p.From != x.from {
			t.Errorf("%s: the commands are %v, from %s, want %q from %s", x.name, all, p.From, x.want, x.from)
		}
		if !Ours(p.Text) || !InForce(append(others(x.host.Service), File{p.Path, p.Text})) {
			t.Errorf("%s: it does not take effect:\n%s", x.name, p.Text)
		}
	}
}

func TestCommand(t *testing.T) {
	h := Host{Service: []File{{debian, "[Service]\nEnvironment=\"OPTS=--debug --dns 192.0.2.53\" ONE=x\nExecStart=!/usr/bin/dockerd ${ONE} $OPTS $NONE '--label=a b'\n"}}}
	p, err := Make(h, Want{Hosts: []string{"tcp://192.0.2.1:2376"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/usr/bin/dockerd", "x", "--debug", "--dns", "192.0.2.53", "--label=a b", "-H", "unix:///var/run/docker.sock", "-H", "tcp://192.0.2.1:2376"}
	if d := cmp.Diff(want, p.Command); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// Each setting that contradicts the drop-in is refused, with its file and what to do.
func TestRefused(t *testing.T) {
	with := func(change func(*Host)) Host {
		h := host()
		change(&h)
		return h
	}
	exec := func(command string) Host {
		return Host{Service: []File{{debian, "[Service]\nExecStart=" + command + "\n"}}}
	}
	for _, x := range []struct {
		name string
		host Host
		want []string
	}{
		{"hosts in daemon.json", with(func(h *Host) { h.Config = File{"/etc/docker/daemon.json", `{"hosts": ["fd://"], "TLSVerify": true}`} }),
			[]string{"/etc/docker/daemon.json", `"hosts"`, `"TLSVerify"`, "remove the key"}},
		{"a broken daemon.json", with(func(h *Host) { h.Config = File{"/etc/docker/daemon.json", `{`} }), []string{"daemon.json", "not JSON"}},
		{"-H in the unit", exec("/usr/bin/dockerd -H fd:// -H tcp://0.0.0.0:2375"), []string{debian, "tcp://0.0.0.0:2375", "take that -H away"}},
		{"-H without a scheme", exec("/usr/bin/dockerd -DH=0.0.0.0"), []string{debian, "listens on 0.0.0.0"}},
		{"TLS in the unit", exec("/usr/bin/dockerd --tlskey /k --tls=false"), []string{"--tlskey", "--tls already"}},
		{"-H in the environment", with(func(h *Host) {
			h.Environment = []File{{"/etc/default/docker", "DOCKER_OPTS='--host tcp://10.0.0.1:2375'\n"}}
		}), []string{"DOCKER_OPTS in /etc/default/docker", "tcp://10.0.0.1:2375"}},
		{"a TCP socket", with(func(h *Host) {
			h.Socket = append(h.Socket, File{"/etc/systemd/system/docker.socket.d/tcp.conf", "[Socket]\nListenStream=2375\nListenStream=[::1]:2377\n"})
		}), []string{"/etc/systemd/system/docker.socket.d/tcp.conf", "TCP 2375", "[::1]:2377", "remove the ListenStream"}},
		{"another program", exec("/usr/bin/podman system service"), []string{debian, "does not start dockerd"}},
		{"a wrapper", exec("/usr/bin/env dockerd"), []string{"does not start dockerd"}},
		{"two commands", exec("/usr/bin/dockerd\nExecStart=/usr/bin/dockerd"), []string{"2 commands"}},
		{"no command", exec(""), []string{"0 commands"}},
		{"an open quote", exec(`/usr/bin/dockerd "`), []string{"cannot be read"}},
		{"a drop-in that comes later", host(dropIn("zzz.conf", "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n")), []string{"zzz.conf", "after"}},
	} {
		_, err := Make(x.host, want())
		var refused Refused
		if !errors.As(err, &refused) || !IsRefused(err) {
			t.Errorf("%s: %v, want to be refused", x.name, err)
			continue
		}
		for _, w := range x.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not name %q", x.name, err, w)
			}
		}
		if slices.ContainsFunc(refused, func(r Refusal) bool { return r.Text == "" || r.Fix == "" }) {
			t.Errorf("%s: %+v does not say what to do", x.name, refused)
		}
	}
	if _, err := Make(host(), Want{Hosts: []string{"tcp://%H:2376"}, Flags: []string{"--tlscert=/a b"}}); err == nil || !strings.Contains(err.Error(), "/a b") {
		t.Errorf("words that systemd reads otherwise: %v", err)
	}
}

func TestConfigPath(t *testing.T) {
	if got := ConfigPath(host()); got != "/etc/docker/daemon.json" {
		t.Errorf("got %s", got)
	}
	if got := ConfigPath(Host{Service: []File{{debian, "[Service]\nExecStart=/usr/bin/dockerd --config-file /opt/d.json\n"}}}); got != "/opt/d.json" {
		t.Errorf("got %s", got)
	}
}

func TestParseShown(t *testing.T) {
	got := ParseShown("LoadState=loaded\nFragmentPath=/lib/systemd/system/docker.service\nDropInPaths=/a.conf /b.conf\n")
	want := Shown{Loaded: true, State: "loaded", Paths: []string{"/lib/systemd/system/docker.service", "/a.conf", "/b.conf"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := ParseShown("LoadState=not-found\nFragmentPath=\nDropInPaths=\n"); got.Loaded || len(got.Paths) > 0 {
		t.Errorf("got %+v", got)
	}
	if got := EnvironmentFiles([]File{{debian, debianUnit}}); !slices.Equal(got, []string{"/etc/default/docker"}) {
		t.Errorf("environment files %v", got)
	}
}
