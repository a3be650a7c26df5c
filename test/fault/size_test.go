package fault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// size is what an agent takes up.
type size struct {
	goroutines, threads, descriptors int
	resident                         int // KiB
	sets                             int
	owned                            string // what it keeps in the kernel
}

// size takes it of the running agent.
func (g *ground) size(t *testing.T) size {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(g.agent.PID()))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	save := g.Save()
	return size{
		goroutines: g.metric(t, "dockwall_goroutines"), descriptors: descriptors(t, proc),
		threads: field(t, string(status), "Threads:"), resident: field(t, string(status), "VmRSS:"),
		sets: strings.Count(save, "create dockwall"), owned: lab.Owned(save),
	}
}

// descriptors is the least of some looks within a second: while the agent reads the
// kernel it has several more, for its commands' pipes. What leaks stays.
func descriptors(t *testing.T, proc string) int {
	t.Helper()
	var counts []int
	for range 20 {
		open, err := os.ReadDir(filepath.Join(proc, "fd"))
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, len(open))
		time.Sleep(50 * time.Millisecond)
	}
	return slices.Min(counts)
}

// metric is one number that the agent serves.
func (g *ground) metric(t *testing.T, name string) int {
	t.Helper()
	text := g.Host("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/9100 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3`)
	return field(t, text, name)
}

// field is the number after the word that begins a line.
func field(t *testing.T, text, name string) int {
	t.Helper()
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == name {
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return n
		}
	}
	t.Fatalf("no line %q in:\n%s", name, text)
	return 0
}

func (s size) String() string {
	return fmt.Sprintf("%d goroutines, %d threads, %d descriptors, %.1f MiB resident, %d sets, %d lines of its own in the kernel",
		s.goroutines, s.threads, s.descriptors, float64(s.resident)/1024, s.sets, strings.Count(s.owned, "\n"))
}

// What may differ between two looks at an agent that leaks nothing: a request
// that is being served, and memory that the collector has not given back.
const (
	slackCount = 4
	slackKiB   = 20 << 10
)

// grown says what is more than it was, or other in the kernel.
func (s size) grown(before size) error {
	var errs []error
	for _, c := range []struct {
		what         string
		is, was, may int
	}{
		{"goroutines", s.goroutines, before.goroutines, slackCount},
		{"descriptors", s.descriptors, before.descriptors, slackCount},
		{"KiB of memory", s.resident, before.resident, slackKiB},
		{"sets", s.sets, before.sets, 0},
	} {
		if c.is > c.was+c.may {
			errs = append(errs, fmt.Errorf("%s: %d, and %d before", c.what, c.is, c.was))
		}
	}
	if diff := cmp.Diff(before.owned, s.owned); diff != "" {
		errs = append(errs, fmt.Errorf("what it keeps in the kernel (-before +after):\n%s", diff))
	}
	return errors.Join(errs...)
}
