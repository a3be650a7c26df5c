package hostnet

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netns"
)

// patience is how long a test waits for what the kernel does in microseconds.
const patience = 20 * time.Second

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
