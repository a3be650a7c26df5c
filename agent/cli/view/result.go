package view

import "strings"

// The exit codes, as diff(1) has them.
const (
	Same    = 0
	Differs = 1
	Trouble = 2
)

// Result is what a verb found out. Its JSON is that of the struct itself.
type Result interface {
	// Text is the human view.
	Text(p *Printer)
	// Code is the exit code.
	Code() int
}

// Header begins every JSON document.
type Header struct {
	FormatVersion formatVersion `json:"format_version"`
}

// formatVersion grows when a field changes its meaning or goes away; new
// fields come without that.
type formatVersion struct{}

// MarshalJSON writes the number.
func (formatVersion) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

// Printable replaces what a terminal would take for a command; line breaks
// stay.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
