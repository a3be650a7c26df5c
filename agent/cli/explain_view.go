package cli

import (
	"fmt"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/explain"
	"dockwall/rules/trace"
)

func (r *explainResult) text(p *printer) {
	p.printf("%s  %s\n", verdict(p, r.Verdict), printable(decider(r.Policy, r.Position)))
	p.printf("%s\n", printable(r.Meaning))
	for _, b := range r.Bugs {
		p.printf("%s %s.\n", p.bold(p.red("Bug:")), printable(b))
	}
	for _, h := range r.Hints {
		p.printf("%s %s.\n", p.bold("Hint:"), printable(h))
	}
	if r.AsExpected != nil && !*r.AsExpected {
		p.printf("%s\n", p.bold(p.red("Not as expected: it should be "+r.Expected+", however the packet comes.")))
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
		p.printf("\nThe same %s.\n", printable(strings.Join(same, ", ")))
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

func verdict(p *printer, v string) string {
	switch v {
	case explain.Allow:
		return p.bold(p.green(v))
	case explain.Unknown:
		return p.bold(p.yellow(v))
	}
	return p.bold(p.red(v))
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
func showWay(p *printer, w *explain.Way) {
	if w.Kind == explain.Unseen {
		p.printf("\nIt meets no rule of dockwall.\n")
		return
	}
	p.printf("\n%s: %s, %s\n", printable(title(w)), w.Verdict, printable(decider(w.Policy, w.Position)))
	for _, s := range w.Walk {
		p.printf("  %s\n", printable(line(s)))
	}
	if w.Policy == explain.None() && w.Verdict == explain.Allow {
		p.printf("  left to Docker's and the host's own rules\n")
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
