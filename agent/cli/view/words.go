package view

import (
	"fmt"
	"path/filepath"

	"dockwall/rules/finding"
)

// Problem writes one in the form of config's diagnostics.
func (p *Printer) Problem(path string, pr finding.Finding) {
	p.Printf("%s %s\n\n", p.Bold(p.Yellow("Warning:")), p.Bold(Printable(pr.Message)))
	if pr.Origin.File != "" {
		p.Printf("  at %s:%d\n\n", Printable(filepath.Join(filepath.Dir(path), pr.Origin.File)), pr.Origin.Line)
	}
}

// Count is a number and its noun.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
