package audit

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/inventory"
	rules "dockwall/rules/audit"
)

// A host without an engine: what is the engine's is unread with the reason, and what is
// the files' was read.
func TestGatherWithoutEngine(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"etc/docker/daemon.json": `{"icc": false}`, "etc/docker/certs.d/r.example/ca.crt": "x", "etc/group": "root:x:0:\n", "etc/passwd": "root:x:0:0\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := Gather(context.Background(), Options{Docker: "unix:///nowhere/docker.sock", Root: root, Now: time.Unix(1000, 0)})
	if in.Now != 1000 || in.Engine.Read || !strings.Contains(in.Containers.Reason, "no such file") || in.Daemon.File.Value["icc"] != false {
		t.Errorf("got %+v", in)
	}
	if f := in.Host.Files["/etc/docker/certs.d/r.example/ca.crt"]; !f.Read || f.Value.Mode != 0o644 {
		t.Errorf("the certificate is %+v", f)
	}
	if f := in.Host.Files["/etc/docker/daemon.json"]; !f.Read || f.Value.Missing {
		t.Errorf("daemon.json is %+v", f)
	}
	for _, f := range rules.Judge(&in, rules.Settings{Only: []string{"container.privileged", "kernel.seccomp", "image.root", "network.api-tcp"}}).Findings {
		if f.State != rules.Unknown {
			t.Errorf("%s is %s: %s", f.ID, f.State, f.Detail)
		}
	}
}

// Published ports, Swarm's and the metrics' are no ports of the API.
func TestOtherPorts(t *testing.T) {
	in := inventory.Inventory{Engine: inventory.Known(inventory.Engine{Swarm: inventory.Swarm{Active: true}}), Containers: inventory.Known([]inventory.Container{
		{HostConfig: inventory.HostConfig{Ports: []inventory.PortBinding{{HostPort: "8080"}, {HostPort: ""}}}}})}
	d := inventory.Daemon{Args: inventory.Known([]string{"--metrics-addr", "127.0.0.1:9323"})}
	var s sockets
	for _, port := range []uint16{2375, 2377, 7946, 8080, 9323} {
		s.engine = append(s.engine, listener(port))
	}
	if got := apiSockets(&d, s.engine, &in); len(got) != 1 || got[0].Port != 2375 || !got[0].Wide {
		t.Errorf("got %+v", got)
	}
}

func listener(port uint16) netinfo.Listener {
	return netinfo.Listener{Addr: netip.IPv4Unspecified(), Proto: netinfo.TCP, Port: port, Dockerd: true}
}
