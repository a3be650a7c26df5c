package fault_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// row is what came of one fault.
type row struct {
	name    string
	times   int
	through int
	tried   int
	took    []time.Duration // until whole, each time
	note    string
}

// count ends the floods and counts what got through.
func (r *row) count(t *testing.T, floods []*lab.Flood) {
	t.Helper()
	for i, f := range floods {
		got := f.Stop()
		r.tried += got.Tried
		r.through += got.OK
		if got.OK > 0 {
			t.Errorf("flood %d: %d of %d got through: %v", i+1, got.OK, got.Tried, got.First)
		}
		if got.Tried < 20 {
			t.Errorf("flood %d: only %d were tried", i+1, got.Tried)
		}
	}
}

// median and worst are how long it took until all was whole.
func (r row) median() time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r.took))
	return sorted[len(sorted)/2]
}

func (r row) worst() time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	return slices.Max(r.took)
}

// String is the row as the page has it.
func (r row) String() string {
	return fmt.Sprintf("| %s%s | %d | %d of %d | %d ms | %d ms |", r.name, r.note, r.times, r.through, r.tried,
		r.median().Milliseconds(), r.worst().Milliseconds())
}

// page gathers the rows of a run.
type page struct {
	began time.Time
	rows  []row
}

func newPage(t *testing.T) *page {
	t.Helper()
	return &page{began: time.Now()}
}

func (p *page) add(r row) { p.rows = append(p.rows, r) }

// write writes the page, if asked to and nothing has failed.
func (p *page) write(t *testing.T) {
	t.Helper()
	if *results == "" || len(p.rows) == 0 {
		return
	}
	if t.Failed() {
		t.Log("something failed: no results are written")
		return
	}
	var s strings.Builder
	fmt.Fprintf(&s, "# Faults\n\nWritten by `make faults`, %s, in %s, on %s.\n\n", p.began.UTC().Format("2006-01-02"),
		time.Since(p.began).Round(time.Second), machine())
	s.WriteString("Tried: new connections, in both families, of a client that no policy names, to the published port and\n" +
		"past it, from before the first time to after the last repair. Whole: the agent says that it enforces, and its\n" +
		"chains, rules, jumps and sets are those of before.\n\n" +
		"| what was done | times | got through | until whole, median | worst |\n|---|--:|--:|--:|--:|\n")
	for _, r := range p.rows {
		fmt.Fprintln(&s, r)
	}
	if err := os.WriteFile(*results, []byte(s.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// machine says what the figures are of.
func machine() string {
	model := "a processor unknown"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d × %s, Linux %s, Docker %s, %s; the machine's load was %s at the end",
		runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), lab.DefaultEngine, runtime.Version(), one)
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
