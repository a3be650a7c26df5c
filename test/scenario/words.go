package scenario

import (
	"errors"
	"strings"
)

// words splits a line at blanks. Quotes of either kind hold a word together
// and are taken away; a # at the beginning of a word ends the line.
func words(line string) ([]string, error) {
	var all []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t':
			if inWord {
				all = append(all, word.String())
			}
			word.Reset()
			inWord = false
		case r == '#' && !inWord:
			return all, nil
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		all = append(all, word.String())
	}
	return all, nil
}
