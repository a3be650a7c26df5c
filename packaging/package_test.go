package packaging_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// need skips where a program is missing, and fails in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed; test/setup.sh does that", program)
		}
		t.Skipf("%s is not installed; test/setup.sh does that", program)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

// build makes the packages and returns them, the deb first.
func build(t *testing.T) (deb, rpm string) {
	t.Helper()
	dist := t.TempDir()
	cmd := exec.Command("./build.sh", "deb", "rpm")
	cmd.Env = append(os.Environ(), "DIST="+dist, "PACKAGE_VERSION=1.0.0", "VERSION=v1.0.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return filepath.Join(dist, "dockwall_1.0.0-1_"+goarch(t)+".deb"), one(t, filepath.Join(dist, "dockwall-1.0.0-1.*.rpm"))
}

func goarch(t *testing.T) string { return strings.TrimSpace(output(t, "go", "env", "GOARCH")) }

func one(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: found %v, %v", pattern, found, err)
	}
	return found[0]
}

// common are the files of both packages.
const common = `/etc/dockwall/agent.d
/usr/bin/agentctl
/usr/lib/modules-load.d/dockwall.conf
/usr/lib/sysctl.d/10-dockwall.conf
/usr/lib/systemd/system/dockwall-boot.service
/usr/lib/systemd/system/dockwall-sets.service
/usr/lib/systemd/system/dockwall.service
/usr/lib/tmpfiles.d/dockwall.conf
/usr/sbin/agentd
/usr/share/bash-completion/completions/agentctl
/usr/share/doc/dockwall/examples/agent.hcl
/usr/share/doc/dockwall/examples/alerts.yaml
/usr/share/doc/dockwall/examples/grafana.json
/usr/share/dockwall/agent.hcl
/usr/share/dockwall/fail-closed.conf
/usr/share/fish/vendor_completions.d/agentctl.fish
/usr/share/man/man5/agent.hcl.5.gz
/usr/share/man/man8/agentctl.8.gz
/usr/share/man/man8/agentd.8.gz
`

// TestPackages builds both packages twice: the same bytes, with what belongs
// into them.
func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("building packages takes a minute")
	}
	need(t, "dpkg-deb", "rpm", "git")
	deb, rpm := build(t)
	deb2, rpm2 := build(t)
	for _, pair := range [][2]string{{deb, deb2}, {rpm, rpm2}} {
		if read(t, pair[0]) != read(t, pair[1]) {
			t.Errorf("%s is not the same when it is built again", filepath.Base(pair[0]))
		}
	}
	common := common + manual(t)
	tree := t.TempDir()
	output(t, "dpkg-deb", "-R", deb, tree)
	wantFiles(t, "deb", leaves(t, tree), common+`/usr/share/doc/dockwall/LICENSE
/usr/share/doc/dockwall/copyright
/usr/share/zsh/vendor-completions/_agentctl
`)
	wantFiles(t, "rpm", strings.Replace(output(t, "rpm", "-qpl", rpm), "/etc/dockwall\n", "", 1), common+`/usr/share/licenses/dockwall/LICENSE
/usr/share/zsh/site-functions/_agentctl
`)
	if got, err := os.ReadFile(filepath.Join(tree, "DEBIAN/conffiles")); err == nil && len(got) > 0 {
		t.Errorf("an upgrade will ask about the deb's configuration files %q", got)
	}
	if got := output(t, "rpm", "-qp", "--configfiles", rpm); strings.Contains(got, "agent.hcl") {
		t.Errorf("the rpm's configuration files are %q", got)
	}
	for _, program := range []string{"usr/sbin/agentd", "usr/bin/agentctl"} {
		checkProgram(t, filepath.Join(tree, program))
	}
	checkPages(t, filepath.Join(tree, "usr/share/man"), filepath.Join(tree, "usr/bin/agentctl"))
	checkCompletions(t, tree)
}

// manual are the files of the manual, as installed.
func manual(t *testing.T) string {
	t.Helper()
	pages, err := filepath.Glob("doc/*")
	if err != nil || len(pages) < 6 {
		t.Fatalf("the manual has the files %v, %v", pages, err)
	}
	var all strings.Builder
	for _, page := range pages {
		all.WriteString("/usr/share/doc/dockwall/" + filepath.Base(page) + "\n")
	}
	return all.String()
}

// leaves are a tree's files and empty folders, as they will be installed.
func leaves(t *testing.T, tree string) string {
	t.Helper()
	return output(t, "sh", "-ec", fmt.Sprintf(`cd %q && find . -path ./DEBIAN -prune -o \( ! -type d -o -empty \) -print | sed 's/^\.//' | LC_ALL=C sort`, tree))
}

func wantFiles(t *testing.T, kind, got, want string) {
	t.Helper()
	sorted := func(s string) []string {
		return strings.Fields(output(t, "sh", "-c", `printf '%s' "$1" | LC_ALL=C sort`, "sh", s))
	}
	if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Errorf("the %s's files (-want +got):\n%s", kind, diff)
	}
}

// checkProgram looks whether a program is static and knows its version.
func checkProgram(t *testing.T, path string) {
	t.Helper()
	arg := "--version"
	if filepath.Base(path) == "agentctl" {
		arg = "version"
	}
	if out := output(t, path, arg); !strings.Contains(out, "v1.0.0") {
		t.Errorf("%s %s says %q", filepath.Base(path), arg, out)
	}
	if out, err := exec.Command("ldd", path).CombinedOutput(); err == nil {
		t.Errorf("%s is not static:\n%s", filepath.Base(path), out)
	}
}

// checkPages looks whether the pages are sound, and agentctl's names every verb.
func checkPages(t *testing.T, man, agentctl string) {
	t.Helper()
	ctl := output(t, "gzip", "-dc", filepath.Join(man, "man8/agentctl.8.gz"))
	verbs := regexp.MustCompile(`(?m)^  ([a-z]+)  +[A-Z]`).FindAllStringSubmatch(output(t, agentctl, "--help"), -1)
	if len(verbs) < 8 {
		t.Fatalf("agentctl names %d verbs", len(verbs))
	}
	for _, verb := range verbs {
		if !strings.Contains(ctl, ".SS "+verb[1]+"\n") {
			t.Errorf("agentctl(8) has nothing on %s", verb[1])
		}
	}
	if _, err := exec.LookPath("groff"); err != nil {
		return
	}
	for _, page := range []string{"man8/agentctl.8.gz", "man8/agentd.8.gz", "man5/agent.hcl.5.gz"} {
		out := output(t, "sh", "-c", `gzip -dc "$1" | groff -man -Tutf8 -ww -z 2>&1`, "sh", filepath.Join(man, page))
		if out != "" || strings.Contains(ctl, "@DATE@") {
			t.Errorf("%s:\n%s", page, out)
		}
	}
}

// TestUnitsExposure holds all sandboxes to 2.5 on systemd's scale.
func TestUnitsExposure(t *testing.T) {
	need(t, "systemd-analyze")
	for _, unit := range []string{"dockwall.service", "dockwall-boot.service", "dockwall-sets.service"} {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=25", "systemd/"+unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s is above 2.5: %v\n%s", unit, err, out)
		}
		text := read(t, "systemd/"+unit)
		if !strings.Contains(text, "\nCapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_LEASE\n") || strings.Contains(text, "AmbientCapabilities") {
			t.Errorf("%s holds other capabilities than NET_ADMIN, NET_RAW and LEASE", unit)
		}
	}
}

// TestScripts has the shell read the maintainer scripts.
func TestScripts(t *testing.T) {
	for _, script := range []string{"scripts/postinstall.sh", "scripts/preremove.sh", "scripts/postremove.sh", "scripts/posttrans.sh"} {
		output(t, "sh", "-n", script)
	}
	output(t, "bash", "-n", "build.sh")
}
