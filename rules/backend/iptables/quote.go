package iptables

import (
	"iter"
	"strings"
	"unicode/utf8"
)

const (
	maxComment = 255
	plainChars = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// quote writes a string as iptables-save does (xtables_save_string).
func quote(s string) string {
	if strings.Trim(s, plainChars) == "" && s != "" {
		return s
	}
	return `"` + escape.Replace(s) + `"`
}

var escape = strings.NewReplacer(`"`, `\"`, `\`, `\\`, `'`, `\'`)

// clean makes s fit for one line: control characters and broken UTF-8 become
// question marks, and it is cut at a rune's edge.
func clean(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError || r == 0x2028 || r == 0x2029 {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// cleanPrefix is clean for an NFLOG prefix. iptables-restore takes a word that
// begins like its own --table option for that, quoted or not.
func cleanPrefix(s string, limit int) string {
	s = clean(s, limit)
	if strings.HasPrefix(s, "-") {
		return "_" + s[1:]
	}
	return s
}

// safeName reports whether iptables-restore reads the word as it is printed.
func safeName(s string) bool {
	return strings.Trim(s, plainChars+".@+") == "" && !strings.HasPrefix(s, "-")
}

// feedText turns a rule as iptables-save printed it into one that
// iptables-restore reads: it prints interface names without quotes.
func feedText(save string) string {
	var b strings.Builder
	name := false
	for word := range splitWords(save) {
		if name && !safeName(word) {
			word = `"` + escape.Replace(word) + `"`
		}
		name = takesName(word)
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return b.String()
}

// takesName reports whether an interface's name follows the option.
func takesName(option string) bool {
	return option == "-i" || option == "-o" || option == "--physdev-in" || option == "--physdev-out"
}

// splitWords yields a printed rule's words, quotes kept. A quoted word only
// follows --comment and the prefix options; an interface's name is never
// quoted, whatever it begins with.
func splitWords(save string) iter.Seq[string] {
	return func(yield func(string) bool) {
		before := ""
		for save != "" {
			end := wordEnd(save, before)
			word := save[:end]
			if !yield(word) {
				return
			}
			before = word
			save = strings.TrimPrefix(save[end:], " ")
		}
	}
}

func wordEnd(s, before string) int {
	if !takesName(before) && s[0] == '"' {
		for i := 1; i < len(s); i++ {
			if s[i] == '\\' {
				i++
			} else if s[i] == '"' {
				return i + 1
			}
		}
		return len(s)
	}
	if i := strings.IndexByte(s, ' '); i > 0 {
		return i
	} else if i == 0 {
		return 1
	}
	return len(s)
}
