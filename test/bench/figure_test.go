package bench

import (
	"fmt"
	"strings"
	"time"
)

// figure is one table of the results.
type figure struct {
	name string
	// how says in a sentence or two how it was measured.
	how  string
	head []string
	rows [][]string
	// goals are what was to be reached, and whether it was.
	goals []goal
}

type goal struct {
	text  string
	holds bool
	got   string
}

func (f *figure) add(cells ...string) { f.rows = append(f.rows, cells) }

// want notes a goal.
func (f *figure) want(holds bool, got, format string, args ...any) {
	f.goals = append(f.goals, goal{fmt.Sprintf(format, args...), holds, got})
}

// markdown writes the figure as it stands in RESULTS.md.
func (f *figure) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n\n", f.name, f.how)
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(f.head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(f.head)))
	for _, r := range f.rows {
		line(r)
	}
	b.WriteByte('\n')
	for _, g := range f.goals {
		word := "holds"
		if !g.holds {
			word = "**does not hold**"
		}
		fmt.Fprintf(&b, "Goal: %s. Measured: %s. It %s.\n\n", g.text, g.got, word)
	}
	return b.String()
}

// ms writes a duration in milliseconds.
func ms(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// number writes a count with its thousands apart.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func times(r float64) string { return fmt.Sprintf("%.2f ×", r) }
