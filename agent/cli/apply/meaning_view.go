package apply

import (
	"dockwall/agent/cli/view"
	"dockwall/rules/meaning"
)

// meaningShown is how many sentences stand above the rules; --json has all.
const meaningShown = 40

// meaning writes who gains and who loses.
func showMeaning(p *view.Printer, changes []meaning.Change, leftOut []string) {
	for i, c := range changes {
		if i == meaningShown {
			p.Printf("(%d more, with --json)\n", len(changes)-i)
			break
		}
		if c.Gain {
			p.Printf("%s\n", p.Green(view.Printable(c.Sentence)))
		} else {
			p.Printf("%s\n", p.Red(view.Printable(c.Sentence)))
		}
	}
	for _, l := range leftOut {
		p.Printf("%s not looked at: %s.\n", p.Bold("Note:"), view.Printable(l))
	}
	if len(changes)+len(leftOut) > 0 {
		p.Printf("\n")
	}
}
