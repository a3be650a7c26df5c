package reconcile

import (
	"sync"
	"time"
)

// Due is what a pass has to look at again.
type Due uint8

// The parts of a pass.
const (
	DueFile   Due = 1 << iota // agent.hcl and what it names
	DueFacts                  // the snapshot
	DueKernel                 // what is in the kernel
)

// pokes gathers what is due until a pass takes it, and remembers what was taken
// until a pass has put it in force.
type pokes struct {
	mu    sync.Mutex
	due   Due
	cause string
	since time.Time
	// waiting is what is due and taken what a pass has taken, as far as it is news:
	// the file, or facts.
	waiting, taken news
	wake           chan struct{}
}

// news are changes that are not in force yet.
type news struct {
	due   Due // DueFile and DueFacts; 0 if nothing waits
	cause string
	since time.Time // of the oldest
}

// with adds more, which is not older.
func (n news) with(more news) news {
	if n.due == 0 {
		return more
	}
	n.due |= more.due
	return n
}

func newPokes() *pokes { return &pokes{wake: make(chan struct{}, 1)} }

// add says that a pass is wanted, and why. It never blocks.
func (p *pokes) add(d Due, cause string) {
	p.mu.Lock()
	now := time.Now()
	if p.due == 0 {
		p.since = now
	}
	// The file is the cause that people look for; otherwise the first one.
	if p.cause == "" || d&DueFile != 0 {
		p.cause = cause
	}
	p.due |= d
	if d := d & (DueFile | DueFacts); d != 0 {
		p.waiting = p.waiting.with(news{d, cause, now})
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// take returns what is due and forgets it.
func (p *pokes) take() (d Due, cause string, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, cause, since = p.due, p.cause, p.since
	p.due, p.cause = 0, ""
	p.taken, p.waiting = p.taken.with(p.waiting), news{}
	return d, cause, since
}

// served is called when a pass has put in force what was taken.
func (p *pokes) served() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = news{}
}

// late returns the news that have waited for longer than that; false if there are none.
func (p *pokes) late(longer time.Duration) (news, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.taken.with(p.waiting)
	return n, n.due != 0 && time.Since(n.since) > longer
}
