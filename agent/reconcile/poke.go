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

// pokes gathers what is due until a pass takes it.
type pokes struct {
	mu    sync.Mutex
	due   Due
	cause string
	since time.Time
	wake  chan struct{}
}

func newPokes() *pokes { return &pokes{wake: make(chan struct{}, 1)} }

// add says that a pass is wanted, and why. It never blocks.
func (p *pokes) add(d Due, cause string) {
	p.mu.Lock()
	if p.due == 0 {
		p.since = time.Now()
	}
	// The file is the cause that people look for; else the first one.
	if p.cause == "" || d&DueFile != 0 {
		p.cause = cause
	}
	p.due |= d
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
	return d, cause, since
}
