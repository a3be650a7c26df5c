package boot

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// suite is the Debian that is booted; its docker.io is engine 20.10.
const suite = "bookworm"

// packages are what the system has beside the minimum. Firewalls and Docker
// are installed and disabled: a test enables what it is about.
func packages() []string {
	return []string{
		"systemd", "systemd-sysv", "dbus", "iproute2", "iptables", "ipset", "kmod", "procps",
		"docker.io", "netbase", "ca-certificates", "man-db",
		"ufw", "nftables", "firewalld", "libpam-systemd", "rpm",
	}
}

// disabled are the units that debootstrap's packages have enabled.
func disabled() []string {
	return []string{
		"docker.service", "docker.socket", "containerd.service",
		"ufw.service", "nftables.service", "firewalld.service",
		"apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer", "man-db.timer", "dpkg-db-backup.timer",
	}
}

// needs are the programs of this machine that a boot takes, and where Debian
// has them.
func needs() [][2]string {
	return [][2]string{
		{"debootstrap", "debootstrap"}, {"systemd-nspawn", "systemd-container"}, {"nsenter", "util-linux"},
		{"unshare", "util-linux"}, {"ip", "iproute2"}, {"dpkg-deb", "dpkg"},
	}
}

// need skips the test where this machine cannot boot a system.
func need(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "booting a system needs root")
	}
	for _, program := range needs() {
		if _, err := exec.LookPath(program[0]); err != nil {
			missing(t, fmt.Sprintf("booting a system needs %s (Debian's package %s)", program[0], program[1]))
		}
	}
}

// missing skips, but fails in CI, where a skipped test would go unnoticed.
func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// rootFS is the folder of the installed system, made where it is not there.
func rootFS(t testing.TB, repo string) string {
	t.Helper()
	cache := filepath.Join(repo, ".cache", "boot")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatalf("making the cache: %v", err)
	}
	h := fnv.New32a()
	fmt.Fprint(h, packages(), disabled())
	root := filepath.Join(cache, fmt.Sprintf("%s-%08x", suite, h.Sum32()))
	// One test process makes it, another one waits.
	lock, err := os.Create(filepath.Join(cache, "lock"))
	if err != nil {
		t.Fatalf("locking the cache: %v", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("locking the cache: %v", err)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		return root
	}
	if err := install(t, cache, root); err != nil {
		missing(t, fmt.Sprintf("a Debian system to boot could not be made: %v", err))
	}
	return root
}

// install makes the system beside its place, and moves it there when whole.
func install(t testing.TB, cache, root string) error {
	t.Helper()
	t.Logf("making a Debian system with debootstrap, once; that takes about two minutes")
	temporary, err := os.MkdirTemp(cache, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	args := []string{"--foreign", "--variant=minbase", "--include=" + strings.Join(packages(), ","), suite, temporary}
	if site := os.Getenv("DOCKWALL_APT_SITE"); site != "" {
		args = append(args, site)
	}
	if err := chrootCommand("debootstrap", args...); err != nil {
		return err
	}
	// Packages of firewalls write rules when they are configured: into a kernel
	// of their own, that is, a network namespace that goes again.
	if err := chrootCommand("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"chroot", temporary, "/debootstrap/debootstrap", "--second-stage"); err != nil {
		return err
	}
	for _, unit := range disabled() {
		// Not every package has every unit in every release.
		_ = exec.Command("systemctl", "--root="+temporary, "disable", unit).Run()
	}
	if err := os.RemoveAll(filepath.Join(temporary, "var/cache/apt/archives")); err != nil {
		return err
	}
	return os.Rename(temporary, root)
}

// chrootCommand runs a command without this machine's settings.
func chrootCommand(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w: %s", name, err, lastLines(string(out), 5))
	}
	return nil
}

func lastLines(text string, n int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
