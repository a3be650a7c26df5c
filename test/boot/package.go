package boot

import (
	"os/exec"
	"path/filepath"
	"testing"

	"dockwall/test/lab"
)

// Package builds the package of a kind, deb or rpm, and returns its path.
func Package(t testing.TB, kind, version string) string {
	t.Helper()
	need(t)
	dist := t.TempDir()
	cmd := exec.Command(filepath.Join(repository(t), "packaging", "build.sh"), kind)
	cmd.Env = append(cmd.Environ(), "DIST="+dist, "PACKAGE_VERSION="+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the package: %v\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(dist, "*."+kind))
	if err != nil || len(found) != 1 {
		t.Fatalf("building the package: found %v, %v", found, err)
	}
	return found[0]
}

// Newer makes a later version of the package, which differs in its number only.
func (m *Machine) Newer(deb string) string {
	m.t.Helper()
	newer := filepath.Join(m.dir, "newer.deb")
	script := `dpkg-deb -R "$1" "$2/tree"
sed -i 's/^Version: .*/Version: 1.0.1-1/' "$2/tree/DEBIAN/control"
echo '# a comment of the new version' | tee -a "$2/tree/usr/share/dockwall/agent.hcl" $(sed "s|^|$2/tree|" "$2/tree/DEBIAN/conffiles" 2>/dev/null) >/dev/null
dpkg-deb -Zgzip -z1 --root-owner-group -b "$2/tree" "$3"`
	if out, err := exec.Command("sh", "-ec", script, "sh", deb, m.dir, newer).CombinedOutput(); err != nil {
		m.t.Fatalf("making a later package: %v\n%s", err, out)
	}
	return newer
}

// Install installs the package as an administrator does.
func (m *Machine) Install(deb string) {
	m.t.Helper()
	m.Copy(deb, "/root/dockwall.deb")
	m.Run("dpkg", "-i", "/root/dockwall.deb")
}

// RPM has rpm do something with the package, on a system whose packages are
// Debian's: rpm knows of none of them, so it is told not to ask for them.
func (m *Machine) RPM(verb, rpm string) {
	m.t.Helper()
	m.Copy(rpm, "/root/dockwall.rpm")
	m.Run("rpm", verb, "--nodeps", "--force-debian", "/root/dockwall.rpm")
}

// Save is the rules of both variants and families, and the sets, without
// timestamps and counters, and without tables that are there but empty.
func (m *Machine) Save() string {
	m.t.Helper()
	out := m.Shell("for s in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do echo \"== $s\"; $s-save 2>/dev/null; done; echo '== ipset'; ipset save")
	return lab.Kept(out)
}
