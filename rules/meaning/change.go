package meaning

import (
	"fmt"
	"strings"

	"dockwall/rules"
)

// Change is a group of packets that fare alike, and differently than before.
type Change struct {
	// Gain: they pass now. Otherwise they did.
	Gain bool `json:"gain"`
	// From are prefixes, containers, or everyone else.
	From []string `json:"from"`
	// Via are the interfaces that they come in by; for what containers send
	// outside, those that they leave by. Empty: whichever.
	Via []string `json:"via"`
	// To are containers and ports, in words.
	To []string `json:"to"`
	// Out: a container sends it outside.
	Out bool `json:"out,omitempty"`
	// Policy decides now, Was decided before; "none": nothing of dockwall's.
	Policy   rules.Subject `json:"policy"`
	Position string        `json:"position"`
	Was      rules.Subject `json:"was"`
	// Sentence is all that in words.
	Sentence string `json:"sentence"`
}

// Difference is what Compare finds.
type Difference struct {
	Changes []Change `json:"changes"`
	// Table is the same for people, by what is reached and in the file's own names.
	Table []Entry `json:"table"`
	// LeftOut says what was not looked at.
	LeftOut []string `json:"left_out"`
}

// none is the kind of packets that no rule of dockwall's decides.
const none rules.Kind = "none"

// named is how many of a list a sentence names.
const named = 3

func (c *Change) sentence() string {
	var b strings.Builder
	sign, may := "-", "may no longer reach"
	if c.Gain {
		sign, may = "+", "may now reach"
	}
	fmt.Fprintf(&b, "%s %s", sign, list(c.From))
	switch {
	case len(c.Via) > 0 && c.Out:
		fmt.Fprintf(&b, ", leaving by %s,", list(c.Via))
	case len(c.Via) > 0:
		fmt.Fprintf(&b, ", coming in by %s,", list(c.Via))
	}
	fmt.Fprintf(&b, " %s %s: %s", may, list(c.To), c.now())
	switch {
	case c.Was.Kind == none && c.Gain:
	case c.Was.Kind == none:
		b.WriteString("; nothing stopped it before")
	case c.Gain:
		fmt.Fprintf(&b, "; %s stopped it before", c.Was)
	default:
		fmt.Fprintf(&b, "; %s allowed it before", c.Was)
	}
	return b.String()
}

func (c *Change) now() string {
	by := c.Policy.String()
	if c.Position != "" {
		by += " (" + c.Position + ")"
	}
	switch {
	case c.Policy.Kind == none:
		return "nothing stops it any more"
	case c.Gain:
		return by + " allows it"
	}
	return by + " stops it"
}

// list names the first of many.
func list(words []string) string {
	switch n := len(words); {
	case n > named+1:
		return fmt.Sprintf("%s and %d more", strings.Join(words[:named], ", "), n-named)
	case n > 1:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}

func position(o rules.Origin) string {
	if o.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}
