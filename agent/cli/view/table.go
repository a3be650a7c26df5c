package view

import "strings"

// TableWidth is how wide a table is at most.
const TableWidth = 100

// Table prints rows of printable columns, the first row as a heading. If they are
// wider than tableWidth, the widest columns are cut.
func (p *Printer) Table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = Printable(row[i])
			widths[i] = max(widths[i], len([]rune(row[i])))
		}
	}
	narrow(widths, TableWidth-2*(len(widths)-1))
	for n, row := range rows {
		line := ""
		for i, word := range row {
			word = Cut(word, widths[i])
			line += word + strings.Repeat(" ", widths[i]-len([]rune(word))+2)
		}
		line = strings.TrimRight(line, " ")
		if n == 0 {
			line = p.Bold(line)
		}
		p.Printf("%s\n", line)
	}
}

// narrow takes from the widest columns until all of them fit into the room.
func narrow(widths []int, room int) {
	const least = 8
	for {
		sum, widest := 0, 0
		for i, w := range widths {
			sum += w
			if w > widths[widest] {
				widest = i
			}
		}
		if sum <= room || widths[widest] <= least {
			return
		}
		widths[widest]--
	}
}

// Cut shortens a word that is too long for its column.
func Cut(word string, room int) string {
	if runes := []rune(word); len(runes) > room {
		return string(runes[:room-1]) + "…"
	}
	return word
}
