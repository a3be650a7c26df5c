package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// keptSuccesses is how many of the first successes a flood reports one by one.
const keptSuccesses = 20

// success is one connection that got through.
type success struct {
	At     time.Time `json:"at"`
	Answer string    `json:"answer"`
}

// tally is what a flood reports.
type tally struct {
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended"`
	Tried   int            `json:"tried"`
	OK      int            `json:"ok"`
	Classes map[string]int `json:"classes"`
	First   []success      `json:"first"`

	mu   sync.Mutex
	left int
}

// flood opens connections as fast as its workers can until the count, the time
// or a signal ends it. It prints "flooding" when it begins, and the tally when
// it ends.
func flood(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("flood", flag.ContinueOnError)
	flags.SetOutput(errs)
	var q question
	q.register(flags)
	workers := flags.Int("workers", 8, "connections at the same time")
	count := flags.Int("count", 20000, "connections in all")
	limit := flags.Duration("for", 5*time.Second, "time in all")
	if flags.Parse(args) != nil || flags.NArg() != 1 {
		return exitUsage
	}
	d, err := q.dialer()
	if err != nil {
		fmt.Fprintf(errs, "responder: %v\n", err)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	t := &tally{Started: time.Now(), Classes: map[string]int{}, First: []success{}, left: *count}
	fmt.Fprintln(out, "flooding")
	// The attempts have only their own timeout: one cut short by the end of the
	// flood would count as stopped by a firewall.
	t.run(ctx, *workers, q.timeout, func() answer { return askOnce(context.Background(), q, d, flags.Arg(0)) })
	_ = json.NewEncoder(out).Encode(t)
	return exitOK
}

// askOnce asks and closes by reset, so that thousands of connections do not
// pile up in TIME_WAIT and run the client out of ports.
func askOnce(ctx context.Context, q question, d net.Dialer, address string) answer {
	conn, a := q.ask(ctx, d, address)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	if conn != nil {
		conn.Close()
	}
	return a
}

// run spreads the workers over the timeout. Against DROP they would otherwise
// all wait at the same time, and a gap between their attempts go unseen.
func (t *tally) run(ctx context.Context, workers int, timeout time.Duration, ask func() answer) {
	var running sync.WaitGroup
	for i := range workers {
		running.Go(func() {
			wait(ctx, timeout*time.Duration(i)/time.Duration(workers))
			for ctx.Err() == nil && t.take() {
				t.add(ask())
			}
		})
	}
	running.Wait()
	t.Ended = time.Now()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (t *tally) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left--
	return t.left >= 0
}

func (t *tally) add(a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Tried++
	t.Classes[a.Class]++
	if !a.OK {
		return
	}
	t.OK++
	if len(t.First) < keptSuccesses {
		t.First = append(t.First, success{At: time.Now(), Answer: a.Answer})
	}
}
