package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// stage is what a lab needs of a test, outside of one. What it does not have
// the embedded nil panics on.
type stage struct {
	testing.TB
	errors io.Writer

	mu          sync.Mutex
	cleanups    []func()
	failed      bool
	interrupted bool
}

// Helper, Name and the others are those of testing.T.
func (s *stage) Helper() {}

// Name is the demo's.
func (s *stage) Name() string { return "demo" }

// Cleanup keeps f for the end.
func (s *stage) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// end runs what was kept, the last first. What another goroutine has begun to
// run it does not run again.
func (s *stage) end() {
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		f := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		f()
	}
}

// interrupt makes the demo fail, and be silent about what fails from now on:
// it is its host that goes.
func (s *stage) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupted = true
	s.failed = true
}

// Failed reports whether something did, other than by an interruption.
func (s *stage) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Log and Logf write what is not part of the show.
func (s *stage) Log(args ...any) { s.say(fmt.Sprintln(args...)) }

// Logf is Log.
func (s *stage) Logf(format string, args ...any) { s.say(fmt.Sprintf(format, args...)) }

func (s *stage) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.interrupted {
		fmt.Fprintf(s.errors, "demo: %s\n", strings.TrimRight(text, "\n"))
	}
}

// Fail makes the exit code 1.
func (s *stage) Fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
}

// FailNow fails and ends the goroutine.
func (s *stage) FailNow() {
	s.Fail()
	runtime.Goexit()
}

// Error fails and goes on.
func (s *stage) Error(args ...any) {
	s.Log(args...)
	s.Fail()
}

// Errorf fails and goes on.
func (s *stage) Errorf(format string, args ...any) {
	s.Logf(format, args...)
	s.Fail()
}

// Fatal fails and ends the goroutine.
func (s *stage) Fatal(args ...any) {
	s.Log(args...)
	s.FailNow()
}

// Fatalf fails and ends the goroutine.
func (s *stage) Fatalf(format string, args ...any) {
	s.Logf(format, args...)
	s.FailNow()
}

// Skip fails too: a demo that shows nothing is none.
func (s *stage) Skip(args ...any) { s.Fatal(args...) }

// Skipf fails too.
func (s *stage) Skipf(format string, args ...any) { s.Fatalf(format, args...) }
