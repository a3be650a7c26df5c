package docker_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// leftovers is everything on the machine that bears the lab's id or is in one
// of its network namespaces.
func leftovers(t *testing.T, id string, namespaces []string) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{
		"/run/netns/" + id + "*", filepath.Join(os.TempDir(), id), "/sys/fs/cgroup/" + id, "/sys/fs/cgroup/*/" + id,
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, id) {
			found = append(found, "mount "+strings.TrimSpace(line))
		}
	}
	return append(found, processes(t, id, namespaces)...)
}

func processes(t *testing.T, id string, namespaces []string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, dir := range dirs {
		command, _ := os.ReadFile(dir + "/cmdline") // gone: not left over
		namespace, _ := os.Readlink(dir + "/ns/net")
		inside := false
		for _, n := range namespaces {
			inside = inside || n == namespace
		}
		if inside || strings.Contains(string(command), id) {
			found = append(found, fmt.Sprintf("process %s %s", filepath.Base(dir), strings.ReplaceAll(string(command), "\x00", " ")))
		}
	}
	return found
}

// namespaceIDs are the lab's network namespaces as /proc names them.
func namespaceIDs(t *testing.T, l *lab.Lab) []string {
	t.Helper()
	var ids []string
	for _, name := range []string{"host", "wan", "wan2", "lan"} {
		out, err := exec.Command("nsenter", "--net="+l.NamespacePath(name), "readlink", "/proc/self/ns/net").Output()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, strings.TrimSpace(string(out)))
	}
	return ids
}

// busy makes a lab in which everything runs that a lab can run.
func busy(t *testing.T) (id string, namespaces []string) {
	t.Helper()
	l := lab.New(t, lab.Options{Args: []string{"--live-restore"}})
	web := l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	l.Client("wan").Serve("outside", "tcp:7000")
	l.Client("wan").Flood("tcp", l.HostAddr("eth0", 4), 8080, lab.FloodOptions{Workers: 1})
	web.Client().Stream("tcp", l.ClientAddr("wan", 4), 7000)
	return l.ID(), namespaceIDs(t, l)
}

func TestLeavesNothing(t *testing.T) {
	needLab(t)
	before := machineRules(t)
	var id string
	var namespaces []string
	t.Run("lab", func(t *testing.T) {
		id, namespaces = busy(t)
		if len(leftovers(t, id, namespaces)) == 0 {
			t.Error("a running lab is not found: this test cannot fail")
		}
	})
	if found := leftovers(t, id, namespaces); len(found) > 0 {
		t.Errorf("left over:\n%s", strings.Join(found, "\n"))
	}
	if diff := cmp.Diff(before, machineRules(t)); diff != "" {
		t.Errorf("the machine's own rules (-before +after):\n%s", diff)
	}
}

// hangs tells the test binary to be the test that is killed.
const hangs = "DOCKWALL_LAB_HANGS"

// TestHang is no test of its own: it is what TestKilled runs and kills.
func TestHang(t *testing.T) {
	if os.Getenv(hangs) == "" {
		t.Skip("only run by TestKilled")
	}
	id, namespaces := busy(t)
	fmt.Printf("\nhanging %s %s\n", id, strings.Join(namespaces, " "))
	select {}
}

// TestKilled kills a test in the middle: its processes must end by themselves,
// and its names go when the next lab is made.
func TestKilled(t *testing.T) {
	needLab(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHang$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), hangs+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var id string
	var namespaces []string
	for lines := bufio.NewScanner(out); id == "" && lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 6 && fields[0] == "hanging" {
			id, namespaces = fields[1], fields[2:]
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if id == "" {
		t.Fatal("the test to be killed made no lab")
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(processes(t, id, namespaces)) > 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	if found := processes(t, id, namespaces); len(found) > 0 {
		t.Errorf("still running:\n%s", strings.Join(found, "\n"))
	}
	lab.New(t, lab.Options{NoDocker: true})
	if found := leftovers(t, id, namespaces); len(found) > 0 {
		t.Errorf("left over:\n%s", strings.Join(found, "\n"))
	}
}

// TestTwoLabs has two hosts at the same time, with the same addresses.
func TestTwoLabs(t *testing.T) {
	first, second := lab.New(t, lab.Options{}), lab.New(t, lab.Options{})
	first.RunContainer(lab.Spec{Name: "first", Publish: []string{"8080:80"}})
	second.RunContainer(lab.Spec{Name: "second", Publish: []string{"8080:80"}})
	for name, l := range map[string]*lab.Lab{"first": first, "second": second} {
		if r := l.Client("wan").Dial("tcp", l.HostAddr("eth0", 4), 8080); r.Server() != name {
			t.Errorf("the %s lab: %v", name, r)
		}
	}
}

// needLab skips without root before anything is looked at.
func needLab(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		t.Skip("a lab needs root, for network namespaces and dockerd")
	}
}

// machineRules are the rules outside every lab.
func machineRules(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, command := range []string{"iptables-save", "ip6tables-save"} {
		out, err := exec.Command(command).Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ":") {
				all.WriteString(line)
			}
		}
	}
	return all.String()
}
