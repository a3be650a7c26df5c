package cli

import "dockwall/rules/meaning"

// meaningShown is how many sentences stand above the rules; --json has all.
const meaningShown = 40

// meaning writes who gains and who loses.
func showMeaning(p *printer, changes []meaning.Change, leftOut []string) {
	for i, c := range changes {
		if i == meaningShown {
			p.printf("(%d more, with --json)\n", len(changes)-i)
			break
		}
		if c.Gain {
			p.printf("%s\n", p.green(printable(c.Sentence)))
		} else {
			p.printf("%s\n", p.red(printable(c.Sentence)))
		}
	}
	for _, l := range leftOut {
		p.printf("%s not looked at: %s.\n", p.bold("Note:"), printable(l))
	}
	if len(changes)+len(leftOut) > 0 {
		p.printf("\n")
	}
}
