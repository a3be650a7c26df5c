package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A purge removes everything except keys and certificates. The script runs on folders
// of the test's own in place of the host's.
func TestPurgeKeepsKeys(t *testing.T) {
	script, err := os.ReadFile("scripts/postremove.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct{ made, left []string }{
		"keys":               {[]string{"etc/dockwall/tls/ca-key.pem", "etc/dockwall/agent.hcl", "etc/dockwall/agent.d/x.hcl"}, []string{"etc/dockwall/tls/ca-key.pem"}},
		"no keys":            {[]string{"etc/dockwall/agent.hcl"}, nil},
		"an empty folder":    {[]string{"etc/dockwall/tls/", "etc/dockwall/agent.hcl"}, nil},
		"nothing at all":     {nil, nil},
		"names with a blank": {[]string{"etc/dockwall/a b", "etc/dockwall/tls/k"}, []string{"etc/dockwall/tls/k"}},
	} {
		root := t.TempDir()
		for _, path := range append(x.made, "var/lib/dockwall/snapshot.json") {
			full := filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(path, "/") {
				err = os.Mkdir(full, 0o700)
			} else {
				err = os.WriteFile(full, nil, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		moved := string(script)
		for _, host := range []string{"/etc/dockwall", "/var/lib/dockwall", "/run/"} {
			moved = strings.ReplaceAll(moved, " "+host, " "+root+host)
		}
		out, err := exec.Command("sh", "-c", moved, "postremove", "purge").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		var left []string
		err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				left = append(left, strings.TrimPrefix(path, root+"/"))
			}
			return err
		})
		if err != nil || strings.Join(left, " ") != strings.Join(x.left, " ") {
			t.Errorf("%s: left %v, want %v (%v)", name, left, x.left, err)
		}
		if said := strings.Contains(string(out), "/etc/dockwall/tls are kept"); said != (len(x.left) > 0) {
			t.Errorf("%s: it says %q", name, out)
		}
	}
}
