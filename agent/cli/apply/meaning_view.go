package apply

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"dockwall/agent/cli/view"
	"dockwall/rules/meaning"
)

// The size of diff's table: what fits on two screens with the line of counts.
const (
	meaningWidth  = 100
	meaningHeight = 40
	// cellLines is how many lines one cell takes at most.
	cellLines = 3
	gap       = 2
	// fewEntries take one line each: a changed address is seen at one glance.
	fewEntries = 2
)

// column is one of a table's columns.
type column struct {
	title string
	cells [][]string
	width int
	paint func(string) string
}

// showMeaning writes who gains and who loses what.
func showMeaning(p *view.Printer, entries []meaning.Entry, leftOut []string) {
	for _, l := range leftOut {
		p.Printf("%s not looked at: %s.\n", p.Bold("Note:"), view.Printable(l))
	}
	if len(entries) == 0 {
		p.Printf("Every client reaches what it reached before.\n")
		return
	}
	columns := columnsOf(p, entries)
	lines := cellLines
	if len(entries) <= fewEntries {
		lines = 1
	}
	fit(columns, lines)
	for lines > 1 && height(columns, lines) > meaningHeight {
		lines--
	}
	title := make([]string, len(columns))
	for i, c := range columns {
		title[i] = c.title
	}
	showLine(p, columns, title, false)
	for i := range entries {
		if i == meaningHeight-1 && len(entries) > meaningHeight {
			p.Printf("(%d more, with --json)\n", len(entries)-i)
			return
		}
		showRow(p, columns, i, lines)
	}
}

// columnsOf are those of which one cell at least is not empty.
func columnsOf(p *view.Printer, entries []meaning.Entry) []column {
	plain := func(s string) string { return s }
	all := []column{{title: "REACHED", paint: plain}, {title: "KEEPS", paint: plain}, {title: "GAINS", paint: p.Green},
		{title: "LOSES", paint: p.Red}, {title: "BLOCK", paint: plain}}
	for _, e := range entries {
		var blocks []string
		for _, b := range e.Blocks {
			blocks = append(blocks, b.String())
		}
		for i, words := range [][]string{e.Reached, e.Keeps, e.Gains, e.Loses, blocks} {
			cell := make([]string, len(words))
			for j, w := range words {
				cell[j] = strings.ReplaceAll(view.Printable(w), "\n", "?")
			}
			all[i].cells = append(all[i].cells, cell)
		}
	}
	var out []column
	for _, c := range all {
		for _, cell := range c.cells {
			c.width = max(c.width, utf8.RuneCountInString(strings.Join(cell, ", ")))
		}
		if c.width > 0 {
			c.width = max(c.width, len(c.title))
			out = append(out, c)
		}
	}
	return out
}

// fit makes the table as wide as the screen at most. A column begins as wide as its
// longest word, or its whole cells where they take one line; what is left goes to
// the first columns.
func fit(columns []column, lines int) {
	whole := make([]int, len(columns))
	total := gap * (len(columns) - 1)
	for i := range columns {
		whole[i] = columns[i].width
		if lines > 1 {
			columns[i].width = columns[i].longest()
		}
		total += columns[i].width
	}
	for total > meaningWidth {
		widest := 0
		for i, c := range columns {
			if c.width > columns[widest].width {
				widest = i
			}
		}
		columns[widest].width--
		total--
	}
	for i := range columns {
		more := min(meaningWidth-total, whole[i]-columns[i].width)
		columns[i].width += more
		total += more
	}
}

// longest is the width of the longest word, with its comma.
func (c *column) longest() int {
	n := len(c.title)
	for _, cell := range c.cells {
		for i, w := range cell {
			k := utf8.RuneCountInString(w)
			if i < len(cell)-1 {
				k++
			}
			n = max(n, k)
		}
	}
	return n
}

// height is how many lines the table has with so many for a cell.
func height(columns []column, lines int) int {
	n := 1
	for row := range columns[0].cells {
		tallest := 1
		for _, c := range columns {
			tallest = max(tallest, len(wrap(c.cells[row], c.width, lines)))
		}
		n += tallest
	}
	return n
}

func showRow(p *view.Printer, columns []column, row, lines int) {
	cells := make([][]string, len(columns))
	tallest := 0
	for i, c := range columns {
		cells[i] = wrap(c.cells[row], c.width, lines)
		tallest = max(tallest, len(cells[i]))
	}
	for n := range tallest {
		texts := make([]string, len(columns))
		for i := range cells {
			if n < len(cells[i]) {
				texts[i] = cells[i][n]
			}
		}
		showLine(p, columns, texts, true)
	}
}

// showLine writes one line of the table, without blanks at its end.
func showLine(p *view.Printer, columns []column, texts []string, painted bool) {
	last := len(texts) - 1
	for last > 0 && texts[last] == "" {
		last--
	}
	for i, text := range texts[:last+1] {
		blanks := ""
		if i < last {
			blanks = strings.Repeat(" ", columns[i].width-utf8.RuneCountInString(text)+gap)
		}
		switch {
		case text == "":
		case painted:
			text = columns[i].paint(text)
		default:
			text = p.Bold(text)
		}
		p.Printf("%s%s", text, blanks)
	}
	p.Printf("\n")
}

// wrap puts the words into lines of the width; what does not fit in so many lines is
// counted.
func wrap(words []string, width, lines int) []string {
	const shortest = 4 // a word, its comma and the blank behind it
	for n := min(len(words), lines*width/shortest+1); n > 0; n-- {
		shown := words[:n]
		if n < len(words) {
			shown = append(shown[:n:n], fmt.Sprintf("%d more", len(words)-n))
		}
		if out := fill(shown, width); len(out) <= lines || n == 1 {
			return out[:min(len(out), lines)]
		}
	}
	return nil
}

// fill breaks the words into lines. A word that is longer than a line is cut.
func fill(words []string, width int) []string {
	var out []string
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		if n := utf8.RuneCountInString(w); n > width {
			w = string([]rune(w)[:width-1]) + "…"
		}
		if k := len(out) - 1; k >= 0 && utf8.RuneCountInString(out[k])+1+utf8.RuneCountInString(w) <= width {
			out[k] += " " + w
		} else {
			out = append(out, w)
		}
	}
	return out
}
