package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// hostScript turns a fresh mount and process namespace into the host. Where
// the machine has cgroup v1, container managers often leave the controllers
// read-only; a bind remount changes that for this mount namespace alone. A
// sysfs of its own shows the host's NICs, and not the machine's.
const hostScript = `
hostname lab
mount --rbind /sys/fs/cgroup "$DIR/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$DIR/cgroup" /sys/fs/cgroup
umount -l "$DIR/cgroup"
awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts | while read -r controller; do
  mount -o remount,bind,rw "$controller" 2>/dev/null || true
done
if [ -n "$NO_UNIFIED" ]; then umount -l /sys/fs/cgroup/unified; fi
mount -t proc proc /proc
mount --bind "$DIR/lib" /var/lib
mount --bind "$DIR/run" /run
exec "$RESPONDER" hold
`

// startHost starts pid 1 of the host in its namespaces. It holds them open, so
// they go when it goes.
func (l *Lab) startHost() {
	l.t.Helper()
	out := &output{}
	cmd := exec.Command("nsenter", "--net="+l.NamespacePath("host"),
		"unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-ec", hostScript)
	cmd.Env = append(os.Environ(), "DIR="+l.dir, "RESPONDER="+l.bin.path("responder"))
	if l.options.NoUnified {
		if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.controllers"); err != nil {
			l.t.Skip("a host with cgroup v1 alone can be made only of a machine that has it beside v2 (systemd.unified_cgroup_hierarchy=0)")
		}
		cmd.Env = append(cmd.Env, "NO_UNIFIED=1")
	}
	cmd.Stdout, cmd.Stderr = out, out
	p, err := l.started.start(cmd, true)
	if err != nil {
		l.t.Fatalf("starting the host: %v", err)
	}
	l.init = p
	l.until(10*time.Second, "the host", func() error {
		if strings.Contains(out.String(), "holding") {
			return nil
		}
		return fmt.Errorf("it says %q, running %v", out, p.running())
	})
}

// command is one that runs on the host: in all its namespaces, with the
// engine's programs and the lab's iptables first in PATH.
func (l *Lab) command(args ...string) *exec.Cmd {
	into := []string{"--target", strconv.Itoa(l.init.pid()), "--mount", "--pid", "--ipc", "--uts", "--net"}
	cmd := exec.Command("nsenter", append(into, args...)...)
	cmd.Env = l.environment()
	return cmd
}

func (l *Lab) environment() []string {
	path := strings.Join([]string{
		filepath.Join(l.dir, "bin"), l.engine, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
	}, ":")
	return []string{
		"PATH=" + path, "HOME=/nonexistent", "LANG=C.UTF-8",
		"DOCKER_CONFIG=" + filepath.Join(l.dir, "client"),
	}
}

// Host runs a command on the host and returns what it printed to stdout; the
// test ends when it fails.
func (l *Lab) Host(args ...string) string {
	l.t.Helper()
	stdout, stderr, code := l.TryHost(args...)
	if code != 0 {
		l.t.Fatalf("on the host, %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// TryHost runs a command on the host and returns its output and exit code,
// which is -1 where it could not be run.
func (l *Lab) TryHost(args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	return result(l.command(args...), "")
}

// HostInput is Host with something on the command's stdin.
func (l *Lab) HostInput(input string, args ...string) string {
	l.t.Helper()
	stdout, stderr, code := result(l.command(args...), input)
	if code != 0 {
		l.t.Fatalf("on the host, %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func result(cmd *exec.Cmd, input string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return out.String(), errs.String(), exit.ExitCode()
	case err != nil:
		return out.String(), errs.String() + err.Error(), -1
	}
	return out.String(), errs.String(), 0
}

// SetVariant makes `iptables` mean "nft" or "legacy" from now on. Who has begun
// with the other one keeps it until started again.
func (l *Lab) SetVariant(variant string) {
	l.t.Helper()
	l.linkVariant(variant)
}

// linkVariant makes `iptables` and its relatives on the host's PATH those of
// one variant, as update-alternatives would.
func (l *Lab) linkVariant(variant string) {
	l.t.Helper()
	multi, err := exec.LookPath("xtables-" + variant + "-multi")
	if err != nil {
		missing(l.t, fmt.Sprintf("iptables of the %s variant is not installed; test/setup.sh does that", variant))
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, verb := range []string{"", "-save", "-restore"} {
			link := filepath.Join(l.dir, "bin", family+verb)
			if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.t.Fatalf("choosing the iptables variant: %v", err)
			}
			if err := os.Symlink(multi, link); err != nil {
				l.t.Fatalf("choosing the iptables variant: %v", err)
			}
		}
	}
}
