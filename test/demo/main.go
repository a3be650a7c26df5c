package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"dockwall/test/lab"
)

func main() {
	engine := flag.String("engine", lab.DefaultEngine, "the Docker engine, a directory below .cache/engines")
	flag.Parse()
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "demo: it needs root, for network namespaces and dockerd: sudo make demo")
		os.Exit(1)
	}
	os.Exit(run(*engine))
}

// run plays the demo on a stage, whose Fatal ends the goroutine it is called
// from: so that is not the main one.
func run(engine string) int {
	s := &stage{errors: os.Stderr}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.end()
		tell(s, os.Stdout, engine)
		runtime.Goexit() // as Fatal does
	}()
	select {
	case <-done:
	case <-interrupts:
		fmt.Fprintln(os.Stderr, "\ndemo: interrupted; taking the host down")
		s.interrupt()
		s.end()
	}
	if s.Failed() {
		return 1
	}
	return 0
}
