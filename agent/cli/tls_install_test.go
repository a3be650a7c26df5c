package cli_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/agent/tls/unit"
)

// dockerService is a pretended docker.service.
type dockerService struct {
	host      unit.Host
	installed []unit.Plan
	invalid   error
	restarts  int
}

func (d *dockerService) Look(context.Context) (unit.Host, error) { return d.host, nil }

func (d *dockerService) Validate(context.Context, unit.Plan) (bool, error) { return true, d.invalid }

func (d *dockerService) Install(_ context.Context, p unit.Plan) error {
	d.installed = append(d.installed, p)
	return nil
}

func (d *dockerService) Uninstall(context.Context) (bool, error) {
	was := len(d.installed) > 0
	d.installed = nil
	return was, nil
}

func (d *dockerService) Restart(context.Context) error {
	d.restarts++
	return nil
}

func TestTLSInstall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	file := filepath.Join(t.TempDir(), "none.hcl")
	d := &dockerService{host: unit.Host{Service: []unit.File{{Path: "/lib/systemd/system/docker.service", Text: "[Service]\nExecStart=/usr/bin/dockerd -H fd://\n"}}}}
	run := func(want int, args ...string) string {
		t.Helper()
		c := newCommand(newMachine())
		c.env.Host.Docker = d
		c.mustRun(t, want, append([]string{"tls", "--config", file, "--dir", dir}, args...)...)
		return c.stdout.String() + c.stderr.String()
	}
	if out := run(2, "install"); !strings.Contains(out, "agentctl tls server makes it") {
		t.Errorf("without a certificate: %s", out)
	}
	run(0, "init", "--no-passphrase")
	run(0, "server")
	if out := run(0, "install", "--dry-run"); len(d.installed) > 0 || !strings.Contains(out, "-H tcp://0.0.0.0:2376 --tlsverify --tlscacert="+dir+"/clients.pem") {
		t.Errorf("a dry run installs %v and says %s", d.installed, out)
	}
	run(0, "install", "--listen", "192.0.2.1", "--listen", "[2001:db8::1]:2377", "--restart")
	if len(d.installed) != 1 || d.restarts != 1 || !strings.Contains(d.installed[0].Text, "-H tcp://192.0.2.1:2376 -H tcp://[2001:db8::1]:2377 --tlsverify") {
		t.Errorf("installed %+v, restarted %d times", d.installed, d.restarts)
	}
	if out := run(2, "install", "--listen", "host.example"); !strings.Contains(out, "no address") {
		t.Errorf("a name: %s", out)
	}
	d.invalid = errors.New("dockerd does not accept these options: no")
	if out := run(2, "install"); !strings.Contains(out, "does not accept") || len(d.installed) != 1 {
		t.Errorf("what dockerd refuses: %s", out)
	}
	d.invalid = nil
	d.host.Config = unit.File{Path: "/etc/docker/daemon.json", Text: `{"hosts": []}`}
	if out := run(1, "install"); !strings.Contains(out, "/etc/docker/daemon.json") || !strings.Contains(out, "What to do:") || len(d.installed) != 1 {
		t.Errorf("refused: %s", out)
	}
	if out := run(1, "install", "--json"); !strings.Contains(out, `"refused"`) || !strings.Contains(out, `"fix"`) {
		t.Errorf("as JSON: %s", out)
	}
	if out := run(0, "uninstall", "--restart"); !strings.Contains(out, "gone") || d.restarts != 2 {
		t.Errorf("uninstall: %s", out)
	}
	if out := run(0, "uninstall"); !strings.Contains(out, "no drop-in") {
		t.Errorf("a second uninstall: %s", out)
	}
}
