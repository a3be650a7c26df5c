package daemon

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"dockwall/agent/config"
	"dockwall/agent/lastgood"
	"dockwall/agent/trial"
)

// defaultSocket is where the control socket is unless the file says otherwise;
// the last good policy is looked for beside it where the file cannot say.
const defaultSocket = "/run/dockwall/agent.sock"

// loader reads the operator's file for the loop, and remembers what to watch.
type loader struct {
	path string
	// trials say which policy it is.
	trials *trial.Keeper
	// reader reads the files for trials.
	reader *config.Reader
	// named is told when there are other files to watch.
	named chan struct{}
	// again asks for another load soon.
	again func()
	// loaded is told of every good document.
	loaded func(*config.Document)

	mu       sync.Mutex
	files    []string
	fallback *config.Document
}

// NoPolicy is the error if there is no policy to enforce: the file has errors,
// and no good one is kept.
type NoPolicy struct {
	path  string
	diags config.Diagnostics
	// last is why there is no last good policy.
	last error
}

// Error is the one-line form.
func (e *NoPolicy) Error() string { return e.diags.Err().Error() }

// WriteText writes the file's diagnostics and what they mean for the kernel.
func (e *NoPolicy) WriteText(w io.Writer, color bool) {
	// If stderr is closed, there is no other place to write to.
	_ = e.diags.WriteText(w, color)
	fmt.Fprintf(w, "\nagentd: %s has errors, and there is no last good policy (%v).\n", e.path, e.last)
	fmt.Fprintf(w, "agentd: nothing was changed: the rules in the kernel stay as they are.\n")
}

// start reads the file for the first time. Where it is bad, the document is
// the one that a trial of it goes back to, or the last good policy.
func (l *loader) start(state string) (*config.Document, error) {
	last, err := lastgood.Load(lastgood.Path(state, defaultSocket), l.path)
	if err == nil {
		l.trials.Remember(last)
	}
	r := l.firstReading()
	l.files = r.Files
	if r.Doc != nil {
		return r.Doc, nil
	}
	if former := l.trials.Former(); former != nil {
		last, err = former, nil
	}
	if err != nil {
		return nil, &NoPolicy{l.path, r.Diagnostics, err}
	}
	l.fallback = last
	return last, nil
}

// firstReading reads the files. Without a good one it waits, some seconds at most, for
// a program that is writing one.
func (l *loader) firstReading() trial.Reading {
	ctx, cancel := context.WithTimeout(context.Background(), firstWait)
	defer cancel()
	r := l.trials.Read()
	for r.Doc == nil && l.reader.Settle(ctx) {
		r = l.trials.Read()
	}
	return r
}

// firstWait is the longest wait for files in the making at the start.
const firstWait = 10 * time.Second

// load is the loop's Load. The last good policy, where it has to stand in, is
// put in force as a good file is; the file's own errors follow at once.
func (l *loader) load() (*config.Document, config.Diagnostics) {
	r := l.trials.Read()
	l.mu.Lock()
	if !slices.Equal(l.files, r.Files) {
		select {
		case l.named <- struct{}{}:
		default:
		}
	}
	l.files = r.Files
	last := l.fallback
	l.fallback = nil
	l.mu.Unlock()
	switch {
	case r.Settled:
		l.loaded(r.Doc)
	case r.Doc == nil && last != nil:
		l.again()
		return last, nil
	}
	return r.Doc, r.Diagnostics
}

// watched is what config.Watch looks at.
func (l *loader) watched() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.files
}
