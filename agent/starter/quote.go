package starter

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRemark is how much of a foreign name a comment shows, in runes.
const maxRemark = 100

// quote writes a string of HCL's in which nothing is inserted: ${ and %{ are
// doubled, control characters escaped.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// remark makes a foreign name fit for a comment: one line, no control
// characters, not endless.
func remark(s string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.ValidString(s) || strings.ContainsFunc(s, odd) || s == "" {
		s = strconv.Quote(s)
	}
	if r := []rune(s); len(r) > maxRemark {
		s = string(r[:maxRemark]) + "…"
	}
	return s
}

// identifier makes a block's name of a foreign one: a letter, then letters,
// digits, - and _.
func identifier(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= maxIdentifier {
			break
		}
	}
	name := strings.Trim(b.String(), "-")
	if name == "" || !isLetter(name[0]) {
		name = strings.TrimSuffix("c-"+name, "-")
	}
	return name
}

// maxIdentifier leaves room for a number after it within the 64 bytes that a
// block's name may have.
const maxIdentifier = 50

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// names gives names out once.
type names map[string]bool

// take returns the name, with a number after it where it is taken.
func (n names) take(name string) string {
	free := name
	for i := 2; n[free]; i++ {
		free = fmt.Sprintf("%s-%d", name, i)
	}
	n[free] = true
	return free
}
