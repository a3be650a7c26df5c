package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/agent/config"
	"dockwall/test/nstest"
)

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRead reads the packaged unit, and what drop-ins make of it.
func TestRead(t *testing.T) {
	packaged, err := os.ReadFile("../../packaging/systemd/" + Name)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		dropIns map[string]string // below the folders
		want    Unit
	}{
		"packaged":          {nil, Unit{HidesHome: true, SealsHome: true, OwnTmp: true}},
		"home is seen":      {map[string]string{"etc/" + Name + ".d/a.conf": "[Service]\nProtectHome=read-only\n"}, Unit{OwnTmp: true}},
		"tmp is shared":     {map[string]string{"etc/" + Name + ".d/a.conf": "[Service]\nPrivateTmp=no\n"}, Unit{HidesHome: true, SealsHome: true}},
		"capability":        {map[string]string{"lib/" + Name + ".d/a.conf": "[Service]\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH\n"}, Unit{HidesHome: true, SealsHome: true, OwnTmp: true, Overrides: true}},
		"and taken away":    {map[string]string{"lib/" + Name + ".d/a.conf": "[Service]\nCapabilityBoundingSet=CAP_DAC_OVERRIDE\nCapabilityBoundingSet=\n"}, Unit{HidesHome: true, SealsHome: true, OwnTmp: true}},
		"they add up":       {map[string]string{"lib/" + Name + ".d/a.conf": "[Service]\nCapabilityBoundingSet=CAP_DAC_OVERRIDE\nCapabilityBoundingSet=CAP_CHOWN\n"}, Unit{HidesHome: true, SealsHome: true, OwnTmp: true, Overrides: true}},
		"bound":             {map[string]string{"lib/" + Name + ".d/a.conf": "[Service]\nBindReadOnlyPaths=-/home/lists /srv:/root/x:rbind\n"}, Unit{HidesHome: true, SealsHome: true, OwnTmp: true, Shown: []string{"/home/lists", "/root/x"}}},
		"a home of its own": {map[string]string{"etc/" + Name + ".d/a.conf": "[Service]\nProtectHome=tmpfs\n"}, Unit{HidesHome: true, OwnTmp: true}},
		"the later wins":    {map[string]string{"lib/" + Name + ".d/a.conf": "[Service]\nProtectHome=no\n", "etc/" + Name + ".d/b.conf": "[Service]\nProtectHome=yes\n"}, Unit{HidesHome: true, SealsHome: true, OwnTmp: true}},
		"masked drop-in":    {map[string]string{"lib/" + Name + ".d/a.conf": "[Service]\nProtectHome=no\n", "etc/" + Name + ".d/a.conf": ""}, Unit{HidesHome: true, SealsHome: true, OwnTmp: true}},
		"a unit of etc's":   {map[string]string{"etc/" + Name: "[Service]\nExecStart=/usr/sbin/agentd\n"}, Unit{Overrides: true}},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "lib", Name), string(packaged), 0o644)
		for file, text := range tt.dropIns {
			write(t, filepath.Join(dir, file), text, 0o644)
		}
		got, err := Read([]string{filepath.Join(dir, "etc"), filepath.Join(dir, "lib")})
		got.bounded = false
		if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Unit{})); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got:\n%s", name, err, diff)
		}
	}
	if _, err := Read([]string{t.TempDir()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a host without the unit: %v", err)
	}
}

// TestRefusals tries files that root can read and the service cannot.
func TestRefusals(t *testing.T) {
	nstest.NeedRoot(t) // only root can give files away
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mine := write(t, filepath.Join(dir, "mine.cidr"), "192.0.2.1\n", 0o600)
	theirs := write(t, filepath.Join(dir, "theirs.cidr"), "192.0.2.1\n", 0o600)
	open := write(t, filepath.Join(dir, "open.cidr"), "192.0.2.1\n", 0o644)
	inside := write(t, filepath.Join(dir, "closed", "inside.cidr"), "192.0.2.1\n", 0o644)
	for path, mode := range map[string]os.FileMode{theirs: 0o600, open: 0o644, filepath.Dir(inside): 0o700} {
		if err := errors.Join(os.Chown(path, 65534, 65534), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(dir, "link.hcl")
	if err := os.Symlink("/root", home); err != nil {
		t.Fatal(err)
	}
	files := []string{mine, theirs, open, inside, home, filepath.Join(dir, "absent")}
	paths := func(u Unit) (all []string) {
		for _, r := range u.Refusals(files, config.Way) {
			all = append(all, strings.TrimPrefix(r.Path, dir+"/"))
		}
		return all
	}
	// A link to a folder leads to it, not through it: only its content is hidden.
	if diff := cmp.Diff([]string{"theirs.cidr", "closed/inside.cidr"}, paths(Unit{})); diff != "" {
		t.Errorf("without overriding (-want +got):\n%s", diff)
	}
	if got := paths(Unit{Overrides: true}); got != nil {
		t.Errorf("with overriding: %v", got)
	}
	if got := paths(Unit{Overrides: true, OwnTmp: true}); strings.HasPrefix(dir, "/tmp/") && len(got) != 5 {
		t.Errorf("with a /tmp of its own: %v", got)
	}
	// The test's own thread may still override.
	if _, err := os.ReadFile(theirs); err != nil {
		t.Errorf("this process lost its rights: %v", err)
	}
}

// TestHides compares folders by whole names.
func TestHides(t *testing.T) {
	u := Unit{HidesHome: true, SealsHome: true, OwnTmp: true}
	for dir, want := range map[string]bool{"/root": true, "/root/x": true, "/home/deploy": true, "/run/user/1000": true, "/tmp": true, "/var/tmp/a": true,
		"/rooted": false, "/homes": false, "/etc/dockwall": false, "/run": false, "/": false, "/var/lib": false} {
		if got := u.hides(dir) != ""; got != want {
			t.Errorf("%s: hidden %v, want %v", dir, got, want)
		}
	}
	shown := filepath.Join("/home/deploy", "lists")
	u.Shown = []string{shown}
	if u.hides(shown) == "" {
		t.Error("what is bound below a sealed /home is seen")
	}
	u.SealsHome = false
	for dir, want := range map[string]bool{"/home": false, "/home/deploy": false, shown + "/a": false, "/home/other": true, shown + "x": true} {
		if got := u.hides(dir) != ""; got != want {
			t.Errorf("%s beside what is bound: hidden %v, want %v", dir, got, want)
		}
	}
}
