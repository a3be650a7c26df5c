package cli

import "strings"

// tableWidth is how wide a table is at most.
const tableWidth = 100

// table prints rows of printable columns, the first row as a heading. If they are
// wider than tableWidth, the widest columns are cut.
func (p *printer) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
			widths[i] = max(widths[i], len([]rune(row[i])))
		}
	}
	narrow(widths, tableWidth-2*(len(widths)-1))
	for n, row := range rows {
		line := ""
		for i, word := range row {
			word = cut(word, widths[i])
			line += word + strings.Repeat(" ", widths[i]-len([]rune(word))+2)
		}
		line = strings.TrimRight(line, " ")
		if n == 0 {
			line = p.bold(line)
		}
		p.printf("%s\n", line)
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

// cut shortens a word that is too long for its column.
func cut(word string, room int) string {
	if runes := []rune(word); len(runes) > room {
		return string(runes[:room-1]) + "…"
	}
	return word
}
