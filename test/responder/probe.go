package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// attempt is one line that probe prints.
type attempt struct {
	To     string `json:"to"`
	After  int64  `json:"after_micros"` // from the start of the process to the start of the attempt
	OK     bool   `json:"ok"`
	Class  string `json:"class"`
	Answer string `json:"answer,omitempty"`
}

// probe dials from its first moment on, so as to catch a firewall that learns
// of a container only after it began to run. Attempts do not wait for each
// other: one that is dropped must not hide that the next one gets through.
func probe(started time.Time, args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.SetOutput(errs)
	var q question
	q.register(flags)
	count := flags.Int("count", 20, "attempts at each target")
	every := flags.Duration("every", 5*time.Millisecond, "time between attempts")
	stay := flags.Bool("stay", false, "when done, wait for SIGTERM")
	if flags.Parse(args) != nil || flags.NArg() == 0 {
		return exitUsage
	}
	d, err := q.dialer()
	if err != nil {
		fmt.Fprintf(errs, "responder: %v\n", err)
		return exitUsage
	}
	lines := make(chan attempt)
	go func() {
		defer close(lines)
		var running sync.WaitGroup
		for i := range *count {
			if i > 0 {
				time.Sleep(*every)
			}
			for _, to := range flags.Args() {
				running.Go(func() {
					after := time.Since(started).Microseconds()
					a := askOnce(context.Background(), q, d, to)
					lines <- attempt{To: to, After: after, OK: a.OK, Class: a.Class, Answer: a.Answer}
				})
			}
		}
		running.Wait()
	}()
	encoder := json.NewEncoder(out)
	for line := range lines {
		_ = encoder.Encode(line)
	}
	if *stay {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		<-stop
	}
	return exitOK
}
