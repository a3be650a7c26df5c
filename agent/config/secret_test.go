package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// shadow is a file with secrets, of which no part may be shown.
const shadow = `root:$6$saltsalt$hashhashhash:19000:0:99999:7:::
daemon:*:19000:0:99999:7:::
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg
deadbeefdeadbeefdeadbeefdeadbeef
password = "hunter2"
token: hunter2
hunter2.example.org
10.0.0.1/8 # hunter2
hunter2
'hunter2' 10.0.0.1
	hunter2	
`

// TestSecretsAreNotShown links files of the configuration to one with secrets. Not one
// of its words is in the diagnostics, however these are printed.
func TestSecretsAreNotShown(t *testing.T) {
	words := []string{"root", "daemon", "salt", "hash", "19000", "PRIVATE", "MIGH", "deadbeef", "hunter2", "token"}
	addresses := "addresses \"feed\" {\n  file = \"feed.cidr\"\n}\npublished \"p\" {\n  from = [addresses.feed]\n}\n"
	for name, prepare := range map[string]func(dir, secret string){
		"an addresses file": func(dir, secret string) {
			write(t, dir, "agent.hcl", addresses)
			must(t, os.Symlink(secret, filepath.Join(dir, "feed.cidr")))
		},
		"agent.hcl": func(dir, secret string) { must(t, os.Symlink(secret, filepath.Join(dir, "agent.hcl"))) },
		"a drop-in": func(dir, secret string) {
			write(t, dir, "agent.hcl", "# nothing\n")
			must(t, os.MkdirAll(filepath.Join(dir, "agent.d"), 0o755))
			must(t, os.Symlink(secret, filepath.Join(dir, "agent.d", "x.hcl")))
		},
	} {
		lines := strings.SplitAfter(shadow, "\n")
		for i := range lines {
			dir := t.TempDir()
			secret := write(t, t.TempDir(), "secret", strings.Join(lines[i:], ""))
			prepare(dir, secret)
			_, diags := Load(filepath.Join(dir, "agent.hcl"))
			if lines[i] != "" && !diags.HasErrors() && name == "an addresses file" {
				t.Errorf("%s: %q is taken", name, lines[i])
			}
			shown := textOf(t, diags) + fmt.Sprintf("%+v", diags)
			if err := diags.Err(); err != nil {
				shown += err.Error()
			}
			for _, word := range words {
				// Of HCL, names are shown: what stands before an equals sign.
				if strings.Contains(shown, word) {
					t.Errorf("%s, from line %d on: %q is shown:\n%s", name, i+1, word, shown)
				}
			}
		}
	}
}

// TestOwnLinesAreShown: what the operator wrote is shown, also where a block's name is
// misspelt.
func TestOwnLinesAreShown(t *testing.T) {
	for text, want := range map[string]string{
		"publishd \"web\" {\n  from = [\"any\"]\n}\n": "publishd \"web\" {",
		"published \"web\" {\n  from = [\n}\n":        "}",
		"docker_api {\n  form = [\"any\"]\n}\n":       "  form = [\"any\"]",
	} {
		dir := t.TempDir()
		write(t, dir, "agent.hcl", text)
		_, diags := Load(filepath.Join(dir, "agent.hcl"))
		if len(diags) == 0 || !strings.Contains(textOf(t, diags), want) {
			t.Errorf("%q is not shown:\n%s", want, textOf(t, diags))
		}
	}
}

// TestSpecialFiles reads files that would block, or never end.
func TestSpecialFiles(t *testing.T) {
	addresses := "addresses \"feed\" {\n  file = \"feed.cidr\"\n}\npublished \"p\" {\n  from = [addresses.feed]\n}\n"
	for kind, make := range map[string]func(path string) error{
		"a FIFO":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder":    func(path string) error { return os.Mkdir(path, 0o700) },
		"/dev/zero":   func(path string) error { return os.Symlink("/dev/zero", path) },
		"/dev/random": func(path string) error { return os.Symlink("/dev/random", path) },
		"itself":      func(path string) error { return os.Symlink(path, path) },
	} {
		for _, name := range []string{"feed.cidr", "agent.hcl", "agent.d/x.hcl"} {
			dir := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dir, "agent.d"), 0o755))
			if name != "agent.hcl" {
				write(t, dir, "agent.hcl", addresses)
			}
			if name == "agent.d/x.hcl" {
				write(t, dir, "feed.cidr", "10.0.0.0/8\n")
			}
			must(t, make(filepath.Join(dir, name)))
			// If it were read to its end, this would not return.
			_, diags := Load(filepath.Join(dir, "agent.hcl"))
			if !diags.HasErrors() {
				t.Errorf("%s is %s: %v", name, kind, diags)
			}
		}
	}
}
