package metrics

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTraffic(t *testing.T) {
	w, m := newWorld()
	got, at := m.Traffic(time.Minute)
	want := []Traffic{{"defaults.published", "deny", 8, 500}, {"published.shop", "allow", 3, 180}}
	if diff := cmp.Diff(want, got); diff != "" || !at.Equal(w.now) {
		t.Errorf("at %s (-want +got):\n%s", at, diff)
	}
	// A policy that has no rule any more is not in force; its sum stays.
	w.reading.V4 = w.reading.V4[1:]
	w.now = w.now.Add(readSpacing)
	if got, _ = m.Traffic(time.Minute); len(got) != 1 {
		t.Errorf("in force are %+v", got)
	}
	has(t, scrape(t, m), `dockwall_policy_packets_total{policy="published.shop",verdict="allow"} 3`)
}

// Who asks is not kept waiting by a kernel that does not answer: there is the
// look before, and one look at a time goes on behind.
func TestTrafficDoesNotWait(t *testing.T) {
	w, m := newWorld()
	before, at := m.Traffic(time.Minute)
	w.now = w.now.Add(readSpacing)
	hang, begun, looks := make(chan struct{}), make(chan struct{}), 0
	m.o.Read = func(context.Context) (Reading, error) {
		looks++
		close(begun)
		<-hang
		return w.reading, nil
	}
	for range 3 {
		got, now := m.Traffic(time.Millisecond)
		if diff := cmp.Diff(before, got); diff != "" || !now.Equal(at) {
			t.Errorf("while the kernel hangs, at %s (-want +got):\n%s", now, diff)
		}
		<-begun
	}
	close(hang)
	m.reading.Lock() // the look has ended
	defer m.reading.Unlock()
	if looks != 1 {
		t.Errorf("%d looks at a time", looks)
	}
}
