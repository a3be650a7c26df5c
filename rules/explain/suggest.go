package explain

import "strings"

// suggest names what was probably meant, or, of a few, all that there are.
func suggest(word string, known []string) string {
	const few = 8
	best, near := "", 2*max(2, len(word)/3)+1
	for _, k := range known {
		d := 2 * editDistance(strings.ToLower(word), strings.ToLower(k))
		// Of two that are as far away, people get the first letter right.
		if k != "" && strings.HasPrefix(word, k[:1]) {
			d--
		}
		if d < near {
			best, near = k, d
		}
	}
	switch {
	case best != "":
		return "; did you mean " + best + "?"
	case len(known) > 0 && len(known) <= few:
		return "; there are " + strings.Join(known, ", ")
	}
	return ""
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above+1, row[j]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
