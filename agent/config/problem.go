package config

import (
	"strings"

	"github.com/agext/levenshtein"
)

// problem is what is wrong with a value, before it is known where it stands.
type problem struct{ summary, detail string }

// nearest returns the candidate that was probably meant, or "".
func nearest(word string, candidates []string) string {
	best, bestDistance := "", len(word)
	for _, c := range candidates {
		distance := levenshtein.Distance(strings.ToLower(word), strings.ToLower(c), nil)
		if distance < bestDistance && distance <= max(2, len(word)/3) {
			best, bestDistance = c, distance
		}
	}
	return best
}

// didYouMean is the sentence for it; form makes of the candidate what the
// operator would write.
func didYouMean(word string, candidates []string, form func(string) string) string {
	if n := nearest(word, candidates); n != "" {
		return "Did you mean " + form(n) + "?"
	}
	return ""
}

// sentences joins what is not empty.
func sentences(parts ...string) string {
	var all []string
	for _, p := range parts {
		if p != "" {
			all = append(all, p)
		}
	}
	return strings.Join(all, " ")
}

func itself(s string) string { return s }

func inQuotes(s string) string { return `"` + s + `"` }
