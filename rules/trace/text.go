package trace

import (
	"fmt"
	"io"
	"strings"

	"dockwall/rules"
)

// MatchText is a match in words, for people.
func MatchText(m rules.Match) string {
	switch m := m.(type) {
	case rules.InInterface:
		return not(m.Not) + "in " + pattern(m.Name, m.Prefix)
	case rules.OutInterface:
		return not(m.Not) + "out " + pattern(m.Name, m.Prefix)
	case rules.Source:
		return not(m.Not) + "from " + m.Prefix.String()
	case rules.Destination:
		return not(m.Not) + "to " + m.Prefix.String()
	case rules.Proto:
		return m.Proto.String()
	case rules.DestPort:
		return "port " + span(m.Lo, m.Hi)
	case rules.Conn:
		return connText(m)
	case rules.InSet:
		return fmt.Sprintf("%s%s in set %s", not(m.Not), dims(m.Dims), m.Set)
	case rules.Limit:
		return fmt.Sprintf("at most %d/s after %d", m.Rate, m.Burst)
	case rules.Syn:
		return not(m.Not) + "syn"
	case rules.ICMPType:
		return fmt.Sprintf("%stype %d", not(m.Not), m.Type)
	case rules.SourceMAC:
		return not(m.Not) + "from mac " + m.MAC
	case rules.InBridgePort:
		return not(m.Not) + "in bridge port " + m.Name
	case rules.Confirmed:
		return "confirmed"
	case rules.Stamped:
		return "stamped"
	case rules.OutBridge:
		return "out by a bridge"
	}
	panic(fmt.Sprintf("trace does not know the match %T", m))
}

func connText(m rules.Conn) string {
	var words []string
	if len(m.States) > 0 {
		states := make([]string, len(m.States))
		for i, s := range m.States {
			states[i] = string(s)
		}
		words = append(words, not(m.NotStates)+"state "+strings.Join(states, ","))
	}
	if m.Original {
		words = append(words, "original direction")
	}
	if m.OrigDestLo != 0 || m.OrigDestHi != 0 {
		words = append(words, "dialled port "+span(m.OrigDestLo, m.OrigDestHi))
	}
	return strings.Join(words, ", ")
}

func dims(ds []rules.Dim) string {
	words := make([]string, len(ds))
	for i, d := range ds {
		words[i] = string(d)
	}
	return strings.Join(words, ",")
}

func not(yes bool) string {
	if yes {
		return "not "
	}
	return ""
}

func pattern(name string, prefix bool) string {
	if prefix {
		return name + "*"
	}
	return name
}

func span(lo, hi uint16) string {
	if lo == hi {
		return fmt.Sprint(lo)
	}
	return fmt.Sprintf("%d-%d", lo, hi)
}

// RuleText is a rule in words: matches, arrow, verdict.
func RuleText(r *rules.Rule) string {
	words := make([]string, len(r.Match))
	for i, m := range r.Match {
		words[i] = MatchText(m)
	}
	v := string(r.Verdict.Kind)
	if r.Verdict.Chain != "" {
		v += " " + r.Verdict.Chain
	}
	if len(words) == 0 {
		return v
	}
	return strings.Join(words, ", ") + " -> " + v
}

func originText(o rules.Origin) string {
	if o.File == "" {
		return o.Subject.String()
	}
	return fmt.Sprintf("%s, %s:%d", o.Subject, o.File, o.Line)
}

// WriteText writes the walk for people, one rule a line: chain, index, hit,
// miss or unknown, the rule, where it comes from, and for a miss the match
// that did not hold. The last line is the verdict.
func (r Result) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%s %d: %s: %s", s.Chain, s.Index, s.Outcome, RuleText(s.Rule))
		if o := originText(s.Origin); o != "" {
			fmt.Fprintf(&b, " (%s)", o)
		}
		if s.Missed != "" {
			fmt.Fprintf(&b, " [%s: %s]", s.Outcome, s.Missed)
		}
		b.WriteByte('\n')
	}
	b.WriteString("verdict: " + string(r.Verdict))
	switch {
	case r.Reason != "":
		b.WriteString(": " + r.Reason)
	case r.Decided != nil:
		fmt.Fprintf(&b, " by rule %d of %s", r.Decided.Index, r.Decided.Chain)
	}
	b.WriteByte('\n')
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the walk: %w", err)
	}
	return nil
}
