package systemctl

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/tls/unit"
)

// pretended is a host with the units of a package, in a folder. systemd is pretended: it
// reads the drop-ins that there are.
type pretended struct {
	t    *testing.T
	root string
	ran  []string
	// refuse is what dockerd --validate prints; deaf: systemd ignores drop-ins.
	refuse string
	deaf   bool
}

const fragment = "/lib/systemd/system/docker.service"

func newHost(t *testing.T) (*pretended, Docker) {
	h := &pretended{t: t, root: t.TempDir()}
	h.write(fragment, "[Service]\nEnvironmentFile=-/etc/default/docker\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n")
	h.write("/lib/systemd/system/docker.socket", "[Socket]\nListenStream=/run/docker.sock\n")
	return h, Docker{Root: h.root, Run: h.run}
}

func (h *pretended) write(path, text string) {
	h.t.Helper()
	path = filepath.Join(h.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *pretended) run(_ context.Context, name string, args ...string) (string, error) {
	h.ran = append(h.ran, name+" "+strings.Join(args, " "))
	switch {
	case filepath.Base(name) == "dockerd" && h.refuse != "":
		return "", errors.New(h.refuse)
	case name == "systemctl" && args[0] == "show":
		dropIns, err := filepath.Glob(filepath.Join(h.root, "/etc/systemd/system", args[2]+".d", "*.conf"))
		if err != nil {
			h.t.Fatal(err)
		}
		if h.deaf {
			dropIns = nil
		}
		return "LoadState=loaded\nFragmentPath=/lib/systemd/system/" + args[2] + "\nDropInPaths=" +
			strings.ReplaceAll(strings.Join(dropIns, " "), h.root, "") + "\n", nil
	}
	return "", nil
}

// files are all files of the host and their contents; folders end with a slash.
func (h *pretended) files() map[string]string {
	all := map[string]string{}
	err := filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			all[path+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

func planned(t *testing.T, d Docker) unit.Plan {
	t.Helper()
	host, err := d.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := unit.Make(host, unit.Want{Hosts: []string{"tcp://192.0.2.1:2376"}, Flags: []string{"--tlsverify"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLook(t *testing.T) {
	h, d := newHost(t)
	h.write("/etc/default/docker", "DOCKER_OPTS=--debug\n")
	h.write("/etc/docker/daemon.json", "{}")
	h.write("/etc/systemd/system/docker.service.d/proxy.conf", "[Service]\nEnvironment=A=b\n")
	host, err := d.Look(t.Context())
	if err != nil || len(host.Service) != 2 || len(host.Socket) != 1 || len(host.Environment) != 1 || host.Config.Text != "{}" {
		t.Errorf("%+v, %v", host, err)
	}
}

// Installing and uninstalling leaves the host as it was, whether the folder of the
// drop-ins was there or not, and however often it is installed.
func TestUninstallGivesBack(t *testing.T) {
	for _, folder := range []bool{false, true} {
		h, d := newHost(t)
		if folder {
			h.write("/etc/systemd/system/docker.service.d/proxy.conf", "[Service]\nEnvironment=A=b\n")
		} else {
			h.write("/etc/systemd/system/other.conf", "")
		}
		before := h.files()
		for range 2 {
			if err := d.Install(t.Context(), planned(t, d)); err != nil {
				t.Fatal(err)
			}
		}
		host, err := d.Look(t.Context())
		if err != nil || !unit.InForce(host.Service) {
			t.Errorf("not in force: %v %+v", err, host.Service)
		}
		if removed, err := d.Uninstall(t.Context()); !removed || err != nil {
			t.Errorf("uninstall: %v, %v", removed, err)
		}
		if diff := cmp.Diff(before, h.files()); diff != "" {
			t.Errorf("folder there before: %v; -before +after:\n%s", folder, diff)
		}
		if removed, err := d.Uninstall(t.Context()); removed || err != nil {
			t.Errorf("a second uninstall: %v, %v", removed, err)
		}
		if last := h.ran[len(h.ran)-1]; last != "systemctl daemon-reload" {
			t.Errorf("the last command is %s", last)
		}
	}
}

// What systemd does not use is taken away again.
func TestInstallThatHasNoEffect(t *testing.T) {
	h, d := newHost(t)
	before := h.files()
	h.deaf = true
	if err := d.Install(t.Context(), planned(t, d)); err == nil || !strings.Contains(err.Error(), "does not use") {
		t.Errorf("got %v", err)
	}
	delete(before, "")
	after := h.files()
	for path := range after {
		if _, ok := before[path]; !ok && !strings.HasSuffix(path, "/") {
			t.Errorf("%s is left", path)
		}
	}
}

func TestForeignDropInIsLeftAlone(t *testing.T) {
	h, d := newHost(t)
	h.write(unit.DropIn, "[Service]\nLimitNOFILE=1\n")
	before := h.files()
	if err := d.Install(t.Context(), unit.Plan{Path: unit.DropIn, Text: "x"}); err == nil {
		t.Error("it is written over")
	}
	if _, err := d.Uninstall(t.Context()); err == nil {
		t.Error("it is removed")
	}
	if diff := cmp.Diff(before, h.files()); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	h, d := newHost(t)
	p := planned(t, d)
	if checked, err := d.Validate(t.Context(), p); !checked || err != nil {
		t.Errorf("%v, %v", checked, err)
	}
	if got := h.ran[len(h.ran)-1]; got != "/usr/sbin/dockerd -H fd:// -H tcp://192.0.2.1:2376 --tlsverify --validate" {
		t.Errorf("ran %s", got)
	}
	h.refuse = "exit status 125: unknown flag: --validate"
	if checked, err := d.Validate(t.Context(), p); checked || err != nil {
		t.Errorf("dockerd before 23.0: %v, %v", checked, err)
	}
	h.refuse = "exit status 1: unable to configure the Docker daemon"
	if _, err := d.Validate(t.Context(), p); err == nil {
		t.Error("settings that dockerd refuses are taken")
	}
}
