package cli

import "strings"

// The exit codes, as diff(1) has them.
const (
	exitSame    = 0
	exitDiffers = 1
	exitTrouble = 2
)

// result is what a verb found out. Its JSON is that of the struct itself.
type result interface {
	// text is the human view.
	text(p *printer)
	// code is the exit code.
	code() int
}

// header begins every JSON document.
type header struct {
	FormatVersion formatVersion `json:"format_version"`
}

// formatVersion grows when a field changes its meaning or goes away; new
// fields come without that.
type formatVersion struct{}

// MarshalJSON writes the number.
func (formatVersion) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

// printable replaces what a terminal would take for a command; line breaks
// stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
