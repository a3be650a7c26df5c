package packaging_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// scratch is a root folder in which the scripts of the packages run.
type scratch struct {
	t    *testing.T
	root string
	file string // the operator's agent.hcl
}

func newScratch(t *testing.T) *scratch {
	s := &scratch{t: t, root: t.TempDir()}
	s.file = filepath.Join(s.root, "etc/dockwall/agent.hcl")
	for _, dir := range []string{"etc/dockwall", "usr/share/dockwall"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(s.root, "usr/share/dockwall/agent.hcl"), "# the shipped one\n")
	return s
}

// run runs a script with the argument that dpkg or rpm gives it.
func (s *scratch) run(script string, args ...string) {
	s.t.Helper()
	text := read(s.t, "scripts/"+script+".sh")
	for _, dir := range []string{"/etc/dockwall", "/usr/share/dockwall", "/run/systemd/system"} {
		text = strings.ReplaceAll(text, dir, s.root+dir)
	}
	if out, err := exec.Command("sh", append([]string{"-c", text, script}, args...)...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s %v: %v\n%s", script, args, err, out)
	}
}

// want compares the operator's file; "" is none. Nothing may be left beside it.
func (s *scratch) want(when, text string) {
	s.t.Helper()
	got, err := os.ReadFile(s.file)
	if text == "" && !errors.Is(err, fs.ErrNotExist) || string(got) != text {
		s.t.Errorf("%s: the file is %q, %v; want %q", when, got, err, text)
	}
	if beside, _ := filepath.Glob(s.file + ".*"); len(beside) > 0 {
		s.t.Errorf("%s: %v were left", when, beside)
	}
}

// TestUpgradesLeaveTheOperatorsFile makes agent.hcl once, and never touches it again,
// although an earlier version's rpm owned it and takes it along.
func TestUpgradesLeaveTheOperatorsFile(t *testing.T) {
	const mine = "# mine\n"
	for kind, args := range map[string]struct{ first, next []string }{
		"deb": {[]string{"configure", ""}, []string{"configure", "1.0.0-1"}},
		"rpm": {[]string{"1"}, []string{"2"}},
	} {
		s := newScratch(t)
		transaction := func(args []string, oldPackage func() error) {
			t.Helper()
			s.run("postinstall", args...)
			if err := oldPackage(); err != nil {
				t.Fatal(err)
			}
			if kind == "rpm" {
				s.run("posttrans")
			}
		}
		nothing := func() error { return nil }
		transaction(args.first, nothing)
		s.want(kind+": first installation", "# the shipped one\n")
		write(t, s.file, mine)
		transaction(args.next, nothing)
		s.want(kind+": upgrade", mine)
		if kind == "rpm" {
			transaction(args.next, func() error { return os.Remove(s.file) })
			s.want("rpm: the old version deletes it", mine)
			transaction(args.next, func() error { return os.Rename(s.file, s.file+".rpmsave") })
			s.want("rpm: the old version renames it", mine)
		}
		if err := os.Remove(s.file); err != nil {
			t.Fatal(err)
		}
		transaction(args.next, nothing)
		s.want(kind+": the operator deleted it", "")
		if err := os.Symlink("elsewhere", s.file); err != nil {
			t.Fatal(err)
		}
		transaction(args.first, nothing)
		if to, err := os.Readlink(s.file); err != nil || to != "elsewhere" {
			t.Errorf("%s: a link that is there before became %q, %v", kind, to, err)
		}
	}
}
