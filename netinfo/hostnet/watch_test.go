package hostnet

import (
	"context"
	"errors"
	"sync"
	"testing"

	mdl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"dockwall/test/nstest"
)

// startWatch watches the namespace and gives the notices, the first of which
// has come already.
func startWatch(t *testing.T, ns netns.NsHandle) <-chan struct{} {
	t.Helper()
	notices := make(chan struct{}, 1)
	goIn(t, ns, func(ctx context.Context) {
		Watch(ctx, func() {
			select {
			case notices <- struct{}{}:
			default:
			}
		}, func(err error) { t.Error(err) })
	})
	receive(t, notices, "the notice that the subscription is there")
	return notices
}

func TestWatchTellsEveryKindOfChange(t *testing.T) {
	ns := nstest.New(t)
	notices := startWatch(t, ns)
	changes := []struct {
		do string
		is func() bool
	}{
		{"link add wan0 type bridge", func() bool { return find(t, "wan0").Index != 0 }},
		{"addr add 192.0.2.7/24 dev wan0", func() bool { return len(find(t, "wan0").Addrs) == 1 }},
		{"addr add 2001:db8::7/64 dev wan0 nodad", func() bool { return len(find(t, "wan0").Addrs) == 2 }},
		{"link set wan0 name lan0", func() bool { return find(t, "lan0").Index != 0 }},
		{"addr del 192.0.2.7/24 dev lan0", func() bool { return len(find(t, "lan0").Addrs) == 1 }},
		{"addr del 2001:db8::7/64 dev lan0", func() bool { return len(find(t, "lan0").Addrs) == 0 }},
		{"link del lan0", func() bool { return true }},
	}
	for _, c := range changes {
		// The kernel has sent what belongs to earlier changes, but it may be
		// on its way: draining makes a lost notice likely to be noticed.
		for drained := false; !drained; {
			select {
			case <-notices:
			default:
				drained = true
			}
		}
		nstest.IP(t, c.do)
		receive(t, notices, "a notice of "+c.do)
		if !c.is() {
			t.Errorf("after the notice of %q it is not so", c.do)
		}
	}
}

// A subscription that overflows loses notices: it is opened again, and what
// was lost is made good by a notice.
func TestWatchReopensAfterOverflow(t *testing.T) {
	ns := nstest.New(t)
	first, hold := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	events := make(chan error, 1000) // nil: a notice
	goIn(t, ns, func(ctx context.Context) {
		busy := sync.OnceFunc(func() { close(first); <-hold })
		watch(ctx, 1, func() { events <- nil; busy() }, func(err error) { events <- err })
	})
	receive(t, first, "the first notice")
	nstest.IP(t, "link add a0 type bridge", "link add a1 type bridge", "link add a2 type bridge", "link add a3 type bridge",
		"link add a4 type bridge", "link add a5 type bridge", "link add a6 type bridge", "link add a7 type bridge")
	release() // the watcher was busy until now
	var err error
	for err == nil {
		err = receive(t, events, "the overflow")
	}
	if !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("the error is %v, want ENOBUFS", err)
	}
	for err != nil { // it may overflow again
		err = receive(t, events, "a notice after the overflow")
	}
}

func TestWatchTriesAgainUntilItCanOpen(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opened, failures := 0, 0
	subscription{
		what:   "nothing",
		open:   dialFails(&failures, 3),
		opened: func() { opened++; cancel() },
	}.run(ctx, nil)
	if opened != 1 || failures != 3 {
		t.Errorf("opened %d times after %d failures, want 1 after 3", opened, failures)
	}
}

// dialFails fails so many times, and counts.
func dialFails(failures *int, times int) func() (*mdl.Conn, error) {
	return func() (*mdl.Conn, error) {
		if *failures < times {
			*failures++
			return nil, errors.New("not now")
		}
		return dialRoute(watchBuffer)
	}
}
