package nstest

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// NeedRoot skips the test without root, and fails it in CI, where a skipped test would
// go unnoticed.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// New moves the test into a network namespace of its own, with lo up. The
// namespace ends with the test.
func New(t *testing.T) netns.NsHandle {
	t.Helper()
	NeedRoot(t)
	runtime.LockOSThread()
	host, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns := Add(t)
	t.Cleanup(func() {
		// A thread that cannot go back stays locked, and dies with the test.
		if err := netns.Set(host); err == nil {
			runtime.UnlockOSThread()
		}
		host.Close()
	})
	return ns
}

// Add makes one more namespace and enters it; the test's thread is locked
// already.
func Add(t *testing.T) netns.NsHandle {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	lo, err := netlink.LinkByName("lo")
	Must(t, err)
	Must(t, netlink.LinkSetUp(lo))
	return ns
}

// In runs f in the namespace, and comes back.
func In(t *testing.T, ns netns.NsHandle, f func()) {
	t.Helper()
	before, err := netns.Get()
	Must(t, err)
	defer before.Close()
	Must(t, netns.Set(ns))
	defer func() { Must(t, netns.Set(before)) }()
	f()
}

// Run runs a command in the thread's namespace, with text as its input.
func Run(t *testing.T, stdin string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// IP runs ip(8) with the words of each line.
func IP(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		Run(t, "", append([]string{"ip"}, strings.Fields(line)...)...)
	}
}

// Must fails the test where err is not nil.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Restore feeds rules to iptables-nft-restore of the family, 4 or 6, which keeps the rest.
func Restore(t *testing.T, family int, rules string) {
	t.Helper()
	program := "iptables-nft-restore"
	if family == 6 {
		program = "ip6tables-nft-restore"
	}
	Run(t, rules, program, "--noflush")
}
