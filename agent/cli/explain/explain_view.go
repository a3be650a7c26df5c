package explain

import (
	"fmt"
	"strings"

	"dockwall/agent/cli/view"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/explain"
	"dockwall/rules/trace"
)

func (r *explainResult) Text(p *view.Printer) {
	p.Printf("%s  %s\n", verdict(p, r.Verdict), view.Printable(decider(r.Policy, r.Position)))
	p.Printf("%s\n", view.Printable(r.Meaning))
	for _, b := range r.Bugs {
		p.Printf("%s %s.\n", p.Bold(p.Red("Bug:")), view.Printable(b))
	}
	for _, h := range r.Hints {
		p.Printf("%s %s.\n", p.Bold("Hint:"), view.Printable(h))
	}
	if r.AsExpected != nil && !*r.AsExpected {
		p.Printf("%s\n", p.Bold(p.Red("Not as expected: it should be "+r.Expected+", however the packet comes.")))
	}
	first := r.Ways[0].Question
	var same []string
	for i := range r.Ways {
		w := &r.Ways[i]
		q := w.Question
		other := q.NIC != first.NIC || q.Out != first.Out || q.Dest != first.Dest || q.Source != first.Source
		if other && r.likeFirst(w) {
			same = appendOnce(same, by(w))
			continue
		}
		showWay(p, w)
	}
	if len(same) > 0 {
		p.Printf("\nThe same %s.\n", view.Printable(strings.Join(same, ", ")))
	}
}

// likeFirst reports whether a way of the first question comes to the same.
func (r *explainResult) likeFirst(w *explain.Way) bool {
	for _, o := range r.Ways {
		if o.Question.NIC == r.Ways[0].Question.NIC && o.Question.Out == r.Ways[0].Question.Out &&
			o.Kind == w.Kind && o.Verdict == w.Verdict && o.Policy == w.Policy && o.Position == w.Position {
			return true
		}
	}
	return false
}

func appendOnce(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// decider is a policy and its place.
func decider(policy rules.Subject, position string) string {
	if position == "" {
		return policy.String()
	}
	return policy.String() + " (" + position + ")"
}

func verdict(p *view.Printer, v string) string {
	switch v {
	case explain.Allow:
		return p.Bold(p.Green(v))
	case explain.Unknown:
		return p.Bold(p.Yellow(v))
	}
	return p.Bold(p.Red(v))
}

// by names the interfaces of the way, and the address that is dialled.
func by(w *explain.Way) string {
	q := w.Question
	s := "by " + q.NIC
	if q.Out != "" {
		s += " and out by " + q.Out
	}
	return s + " to " + q.Dest.String()
}

// way writes one way and its walk.
func showWay(p *view.Printer, w *explain.Way) {
	if w.Kind == explain.Unseen {
		p.Printf("\nIt meets no rule of dockwall.\n")
		return
	}
	p.Printf("\n%s: %s, %s\n", view.Printable(title(w)), w.Verdict, view.Printable(decider(w.Policy, w.Position)))
	for _, s := range w.Walk {
		p.Printf("  %s\n", view.Printable(line(s)))
	}
	if w.Policy == explain.None() && w.Verdict == explain.Allow {
		p.Printf("  left to Docker's and the host's own rules\n")
	}
}

func title(w *explain.Way) string {
	q := w.Question
	s := fmt.Sprintf("In by %s, %s -> %s", q.NIC, q.Source, explain.Service(q.Dest, q.Port, q.Proto))
	switch w.Kind {
	case explain.DNAT:
		if w.Rule != "" {
			return s + fmt.Sprintf(", sent on to %s by the nat rule %s", q.DNAT, w.Rule)
		}
		return s + fmt.Sprintf(", sent on to %s by Docker's nat rules", q.DNAT)
	case explain.Received:
		if w.Rule != "" {
			return s + ", where the nat rule " + w.Rule + " sends it, received by the host"
		}
		if q.Proto == netinfo.ICMP || q.Proto == netinfo.ICMPv6 || w.Policy == explain.None() {
			return s + ", received by the host"
		}
		return s + ", received by the host (docker-proxy, or a service)"
	}
	if q.Out != "" {
		s += ", out by " + q.Out
	}
	return s
}

func line(s explain.Step) string {
	mark := ""
	if s.Outcome != trace.Hit {
		mark = fmt.Sprintf("%s (%s)  ", s.Outcome, s.Missed)
	}
	by := ""
	if s.Position != "" || !s.Policy.Framing() {
		by = "  [" + strings.TrimSpace(s.Policy.String()+" "+s.Position) + "]"
	}
	return fmt.Sprintf("%-24s %s%s%s", s.Chain, mark, s.Rule, by)
}
