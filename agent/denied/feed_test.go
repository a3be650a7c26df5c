package denied

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTestFeed(o Options) *Feed {
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	if o.Snapshot == nil {
		o.Snapshot = func() netinfo.Snapshot { return netinfo.Snapshot{} }
	}
	if o.Origins == nil {
		o.Origins = func() []rules.Origin { return nil }
	}
	if o.Version == nil {
		o.Version = func() uint64 { return 1 }
	}
	return New(o)
}

// packet is the nth of a test: its source port tells it from the others.
func packet(n int) hostnet.Denied {
	return hostnet.Denied{At: time.Unix(int64(n), 0), Prefix: "dockwall:published.shop", Proto: netinfo.TCP, SrcPort: uint16(n),
		Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("172.17.0.2")}
}

// numbers are the packets' of the lines; lost ones are negative.
func numbers(lines iter.Seq[Line]) []int {
	var all []int
	for l := range lines {
		if l.Lost > 0 {
			all = append(all, -int(l.Lost))
		} else {
			all = append(all, int(l.SourcePort))
		}
	}
	return all
}

func upTo(from, to int) []int {
	var all []int
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

func TestFollowThePast(t *testing.T) {
	f := newTestFeed(Options{Snapshot: func() netinfo.Snapshot { return shop() }})
	for n := 1; n <= kept+5; n++ {
		d := packet(n)
		if n == kept {
			d.Dst = netip.MustParseAddr("172.17.0.9")
		}
		f.add(d)
	}
	for _, tt := range []struct {
		name string
		q    Query
		want []int
	}{
		{"all that are kept", Query{Lines: -1}, upTo(6, kept+5)},
		{"the last", Query{Lines: 3}, upTo(kept+3, kept+5)},
		{"none", Query{Lines: 0}, nil},
		{"since", Query{Lines: -1, Since: time.Unix(kept+2, 0)}, upTo(kept+2, kept+5)},
		{"since, the last", Query{Lines: 2, Since: time.Unix(kept+2, 0)}, upTo(kept+4, kept+5)},
		{"container", Query{Lines: 6, Container: "web"}, append([]int{kept - 1}, upTo(kept+1, kept+5)...)},
		{"no such container", Query{Lines: -1, Container: "x"}, nil},
	} {
		tt.q.Past = true
		if d := cmp.Diff(tt.want, numbers(f.Follow(t.Context(), tt.q))); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

// Every reader gets every packet in order, whoever joins when and however many
// there are; and nobody is left when all have gone.
func TestFollowersMissNothing(t *testing.T) {
	const readers, packets = 20, 200
	f := newTestFeed(Options{})
	f.add(packet(1))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	got := make([][]int, readers)
	for i := range readers {
		wg.Go(func() {
			for l := range f.Follow(ctx, Query{Lines: -1}) {
				got[i] = append(got[i], int(l.SourcePort))
				if len(got[i]) == packets {
					return
				}
			}
		})
	}
	for n := 2; n <= packets; n++ {
		f.add(packet(n))
	}
	wg.Wait()
	cancel()
	for i := range got {
		if d := cmp.Diff(upTo(1, packets), got[i]); d != "" {
			t.Errorf("reader %d (-want +got):\n%s", i, d)
		}
	}
	if len(f.readers) != 0 {
		t.Errorf("%d readers are kept", len(f.readers))
	}
}

// One who does not read holds up nobody, and is told what he lost.
func TestSlowReaderLosesLines(t *testing.T) {
	f := newTestFeed(Options{})
	next, stop := iter.Pull(f.Follow(t.Context(), Query{Lines: -1}))
	defer stop()
	const sent = 3 * queue
	f.add(packet(1))
	if l, _ := next(); l.SourcePort != 1 {
		t.Fatalf("the first line is %+v", l)
	}
	for n := 2; n <= sent; n++ {
		f.add(packet(n))
	}
	for n := 2; n <= queue+1; n++ {
		if l, _ := next(); int(l.SourcePort) != n {
			t.Fatalf("got %+v, want packet %d", l, n)
		}
	}
	f.add(packet(sent + 1))
	if l, _ := next(); l.Lost != sent-queue-1 {
		t.Errorf("got %+v, want %d lost", l, sent-queue-1)
	}
	if l, _ := next(); int(l.SourcePort) != sent+1 {
		t.Errorf("got %+v, want packet %d", l, sent+1)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	f := newTestFeed(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n := numbers(f.Follow(ctx, Query{})); n != nil {
		t.Errorf("got %v", n)
	}
}

func TestPositionsFollowTheRules(t *testing.T) {
	line, version, asked := 3, uint64(1), 0
	f := newTestFeed(Options{
		Version: func() uint64 { return version },
		Origins: func() []rules.Origin {
			asked++
			return []rules.Origin{{Subject: rules.ParseSubject("published.shop"), File: "agent.hcl", Line: line}}
		},
	})
	position := func() string {
		f.add(packet(1))
		for l := range f.Follow(t.Context(), Query{Lines: 1, Past: true}) {
			return l.Position
		}
		return ""
	}
	if p := position(); p != "agent.hcl:3" {
		t.Errorf("the position is %q", p)
	}
	line = 9
	if p := position(); p != "agent.hcl:3" || asked != 1 {
		t.Errorf("the position is %q, the rules were asked for %d times", p, asked)
	}
	version = 2
	if p := position(); p != "agent.hcl:9" {
		t.Errorf("the position is %q", p)
	}
}

func TestRunListensToBothGroups(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	var held []hostnet.Neighbor
	counts := map[string]int{}
	f := newTestFeed(Options{
		Log:  hclog.New(&hclog.LoggerOptions{Output: &log}),
		Held: func(n hostnet.Neighbor) { mu.Lock(); held = append(held, n); mu.Unlock() },
		Count: func(policy string) {
			mu.Lock()
			counts[policy]++
			mu.Unlock()
		},
	})
	f.listen = func(ctx context.Context, group uint16, notify func(hostnet.Denied), onError func(error)) error {
		if group == 4778 {
			onError(&hostnet.GroupTaken{Group: group})
			onError(&hostnet.GroupTaken{Group: group})
			d := packet(1)
			d.Prefix, d.In, d.MAC = "dockwall:hold", 3, "02:42:ac:11:00:02"
			notify(d)
			d.MAC = "" // nobody to tell of
			notify(d)
			return nil
		}
		notify(packet(2))
		<-ctx.Done()
		return errors.New("it broke")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	seen := 0
	for range f.Follow(t.Context(), Query{Lines: -1}) {
		if seen++; seen == 3 {
			break
		}
	}
	cancel()
	<-done
	want := []hostnet.Neighbor{{Link: 3, Addr: netip.MustParseAddr("203.0.113.9"), MAC: "02:42:ac:11:00:02"}}
	if d := cmp.Diff(want, held, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("held (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]int{"hold": 2, "published.shop": 1}, counts); d != "" {
		t.Errorf("counted (-want +got):\n%s", d)
	}
	if n := strings.Count(log.String(), "group 4778 is taken by another program"); n != 1 {
		t.Errorf("the taken group is told %d times:\n%s", n, log.String())
	}
	if !strings.Contains(log.String(), "it broke") {
		t.Errorf("the end is not told:\n%s", log.String())
	}
}

func TestErrorIsToldAgainAfterAnHour(t *testing.T) {
	now, told := time.Unix(0, 0), 0
	tell := teller{tell: func(error) { told++ }, now: func() time.Time { return now }}
	for range 10 {
		tell.once(errors.New("a"))
		now = now.Add(10 * time.Minute)
	}
	tell.once(errors.New("b"))
	if told != 3 {
		t.Errorf("told %d times, want 3", told)
	}
}

func TestTopSourcesOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := newTestFeed(Options{Log: hclog.New(&hclog.LoggerOptions{Output: &log})})
		f.listen = func(ctx context.Context, _ uint16, _ func(hostnet.Denied), _ func(error)) error {
			<-ctx.Done()
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		go f.Run(ctx)
		for range 3 {
			f.add(packet(1))
		}
		d := packet(1)
		d.Src = netip.MustParseAddr("2001:db8::1")
		f.add(d)
		time.Sleep(3*day + time.Minute) // on synctest's clock
		cancel()
		synctest.Wait()
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), `packets_seen=4 top_sources="203.0.113.9 (3), 2001:db8::1 (1)"`) {
			t.Errorf("the log has %d lines:\n%s", n, log.String())
		}
	})
}

// However many sources there are, the one that sends most is found.
func TestSourcesAreBounded(t *testing.T) {
	s := newSources()
	for i := range 5000 {
		s.add(Packet{Source: netip.MustParseAddr(fmt.Sprintf("10.%d.%d.1", i/250, i%250))})
		if i%10 == 0 {
			s.add(Packet{Source: netip.MustParseAddr("203.0.113.9")})
		}
	}
	if len(s.counts) != counted || s.total != 5500 {
		t.Errorf("%d sources are counted, %d packets", len(s.counts), s.total)
	}
	if top := s.top()[0]; top.addr.String() != "203.0.113.9" || top.packets < 500 {
		t.Errorf("the top source is %v", top)
	}
}
