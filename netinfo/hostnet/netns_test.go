package hostnet

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// patience is how long a test waits for what the kernel does in microseconds.
const patience = 20 * time.Second

// needRoot skips where there is no root, but not in CI.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs root, to make network namespaces")
	}
	t.Skip("needs root, to make network namespaces")
}

// newNetNS moves the test into a network namespace of its own, with lo up. The
// namespace ends with the test.
func newNetNS(t *testing.T) netns.NsHandle {
	t.Helper()
	needRoot(t)
	runtime.LockOSThread()
	host, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns := addNetNS(t)
	t.Cleanup(func() {
		// A thread that cannot go back stays locked, and dies with the test.
		if err := netns.Set(host); err == nil {
			runtime.UnlockOSThread()
		}
		host.Close()
	})
	return ns
}

// addNetNS makes one more namespace and enters it; the test's thread is locked
// already.
func addNetNS(t *testing.T) netns.NsHandle {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	return ns
}

// in runs f in the namespace, and comes back.
func in(t *testing.T, ns netns.NsHandle, f func()) {
	t.Helper()
	before, err := netns.Get()
	must(t, err)
	defer before.Close()
	must(t, netns.Set(ns))
	defer func() { must(t, netns.Set(before)) }()
	f()
}

// goIn runs f on a thread of its own in the namespace, until it returns; the
// test waits for that at its end, after ctx is cancelled.
func goIn(t *testing.T, ns netns.NsHandle, f func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked: the thread ends here
		if err := netns.Set(ns); err != nil {
			t.Error(err)
			return
		}
		f(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		receive(t, done, "the end of the goroutine")
	})
}

// receive takes one value, or fails when it takes too long.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// run runs a command in the thread's namespace, with text as its input.
func run(t *testing.T, stdin string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// ip runs ip(8) with the words of each line.
func ip(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		run(t, "", append([]string{"ip"}, strings.Fields(line)...)...)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
