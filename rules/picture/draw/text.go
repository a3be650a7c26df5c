package draw

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Widths of a character in thousandths of the font's size. Monospaced fonts
// agree on theirs; of others this is a wide one's average.
const (
	monoWidth = 605
	sansWidth = 620
)

// cells is how many characters' room the text takes: wide ones take two.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += cell(r)
	}
	return n
}

func cell(r rune) int {
	if r >= 0x1100 && r != '→' && r != '…' && r != '–' && r != '−' && r != '·' && r != '✕' {
		return 2
	}
	return 1
}

// width is how wide the text is at most, in pixels.
func width(s string, size, perChar int) int { return (cells(s)*size*perChar + 999) / 1000 }

// fit cuts the text to the width: in its middle, since names often differ at
// their end.
func fit(s string, room, size, perChar int) string {
	s = clean(s)
	if width(s, size, perChar) <= room {
		return s
	}
	runes := []rune(s)
	for keep := len(runes) - 1; keep > 1; keep-- {
		tail := keep * 2 / 5
		cut := string(runes[:keep-tail]) + "…" + string(runes[len(runes)-tail:])
		if width(cut, size, perChar) <= room {
			return cut
		}
	}
	return "…"
}

// clean replaces what is no character to see: control characters, marks that
// turn the direction of text, and what is no UTF-8.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, r == 0xfffe, r == 0xffff:
			return '\ufffd'
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r),
			unicode.Is(unicode.Mn, r), unicode.Is(unicode.Me, r):
			return '\ufffd'
		}
		return r
	}, s)
}

// cleanLines is clean, line by line.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// some joins the first of many words and counts the rest.
func some(words []string, room, size, perChar int) string {
	all := strings.Join(words, ", ")
	if width(clean(all), size, perChar) <= room || len(words) < 2 {
		return fit(all, room, size, perChar)
	}
	for n := len(words) - 1; n > 0; n-- {
		text := strings.Join(words[:n], ", ") + " +" + count(len(words)-n)
		if width(clean(text), size, perChar) <= room {
			return clean(text)
		}
	}
	return fit(words[0], room-width(" +"+count(len(words)-1), size, perChar), size, perChar) + " +" + count(len(words)-1)
}
