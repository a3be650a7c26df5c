package cli

import (
	"fmt"
	"path/filepath"

	"dockwall/rules/finding"
)

// problem writes one in the form of config's diagnostics.
func (p *printer) problem(path string, pr finding.Finding) {
	p.printf("%s %s\n\n", p.bold(p.yellow("Warning:")), p.bold(printable(pr.Message)))
	if pr.Origin.File != "" {
		p.printf("  at %s:%d\n\n", printable(filepath.Join(filepath.Dir(path), pr.Origin.File)), pr.Origin.Line)
	}
}

// count is a number and its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
