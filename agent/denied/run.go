package denied

import (
	"context"
	"errors"
	"sync"
	"time"

	"dockwall/netinfo/hostnet"
)

// day is how often the log names the sources that were refused most.
const day = 24 * time.Hour

// group is an NFLOG group and what becomes of its packets.
type group struct {
	number uint16
	take   func(hostnet.Denied)
}

// Run listens until ctx ends. Being unable to listen is logged and no error:
// the rules refuse all the same.
func (f *Feed) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, g := range f.groups() {
		wg.Go(func() { f.runGroup(ctx, g) })
	}
	wg.Go(func() { f.report(ctx) })
	wg.Wait()
}

func (f *Feed) runGroup(ctx context.Context, g group) {
	t := teller{tell: func(err error) { f.o.Log.Warn("refused packets may be missing from the feed", "error", err) }, now: time.Now}
	err := f.listen(ctx, g.number, g.take, t.once)
	switch {
	case errors.Is(err, hostnet.ErrNoNFLog):
		f.o.Log.Warn("refused packets are not reported, only refused: load the kernel's module nfnetlink_log and restart dockwall", "error", err)
	case err != nil:
		f.o.Log.Error("refused packets are not reported", "error", err)
	}
}

// teller logs a repeated error once an hour.
type teller struct {
	tell func(error)
	now  func() time.Time
	last string
	at   time.Time
}

func (t *teller) once(err error) {
	now := t.now()
	if s := err.Error(); s != t.last || now.Sub(t.at) >= time.Hour {
		t.last, t.at = s, now
		t.tell(err)
	}
}

// report logs once a day which sources were refused most.
func (f *Feed) report(ctx context.Context) {
	tick := time.NewTicker(day)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.reportDay()
		}
	}
}

func (f *Feed) reportDay() {
	f.mu.Lock()
	s := f.sources
	f.sources = newSources()
	f.mu.Unlock()
	if s.total > 0 {
		f.o.Log.Info("refused in the last day", "packets_seen", s.total, "top_sources", s.text())
	}
}
