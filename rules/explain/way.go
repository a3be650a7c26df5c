package explain

import (
	"cmp"
	"fmt"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// KindNone is the kind of None.
const KindNone rules.Kind = "none"

// None returns the policy of packets that dockwall passes without judging them.
func None() rules.Subject { return rules.Subject{Kind: KindNone} }

// Kind is how the kernel may show an attempt to dockwall.
type Kind string

// The kinds of ways.
const (
	DNAT      Kind = "dnat"      // Docker's nat rules send it to the container
	Received  Kind = "received"  // by the host: docker-proxy, or a service
	Forwarded Kind = "forwarded" // as it was dialled
	Unseen    Kind = "unseen"    // it never meets dockwall's rules
)

// Way is one way and what becomes of the packet on it.
type Way struct {
	Kind     Kind            `json:"kind"`
	Question policy.Question `json:"question"`
	Verdict  string          `json:"verdict"`
	Policy   rules.Subject   `json:"policy"`
	Position string          `json:"position"`
	Walk     []Step          `json:"walk"`
	// Rule is the nat rule of another program that changed the destination; empty if
	// none did.
	Rule string `json:"rule,omitempty"`
	// class says as what it was judged; bug is where the rules and the policy's
	// meaning differ.
	class policy.Class
	bug   string
	// why is why the verdict is unknown.
	why string
}

// Step is a rule on the way.
type Step struct {
	Chain    string        `json:"chain"`
	Outcome  trace.Outcome `json:"outcome"`
	Rule     string        `json:"rule"`
	Policy   rules.Subject `json:"policy,omitzero"`
	Position string        `json:"position,omitempty"`
	Missed   string        `json:"missed,omitempty"`
}

// tracer asks the ruleset, and the policy's meaning beside it.
type tracer struct {
	p   policy.Policy
	s   netinfo.Snapshot
	m   *trace.Machine
	all bool // keep the rules that missed
}

// ask follows the packet. dialled is the question before another program's nat rule.
func (t tracer) ask(q translated, dialled policy.Question) []Way {
	if q.unclear != "" {
		return []Way{{Kind: Forwarded, Question: dialled, Verdict: Unknown, Policy: None(), Walk: []Step{}, why: q.unclear}}
	}
	packets := trace.Packets(t.s, q.Question)
	if q.received {
		packets = slices.DeleteFunc(packets, func(w trace.PacketWay) bool { return w.Question.DNAT.IsValid() })
	}
	if len(packets) == 0 {
		means := policy.Eval(t.p, t.s, q.Question)
		return []Way{{Kind: Unseen, Question: q.Question, Rule: q.rule, Verdict: verdictOf(means.Allow), Policy: None(),
			Walk: []Step{}, class: means.Class}}
	}
	var ways []Way
	for _, way := range packets {
		w := t.follow(way)
		w.Rule = q.rule
		ways = append(ways, w)
	}
	// Where nat rules take a connection, docker-proxy does not get it.
	slices.SortStableFunc(ways, func(a, b Way) int {
		return cmp.Compare(wayOrder(a.Kind), wayOrder(b.Kind))
	})
	return ways
}

func wayOrder(k Kind) int {
	if k == DNAT {
		return 0
	}
	return 1
}

func (t tracer) follow(way trace.PacketWay) Way {
	r := t.m.Run(way.Packet, way.Base)
	means := policy.Eval(t.p, t.s, way.Question)
	w := Way{Kind: kindOfWay(way), Question: way.Question, Verdict: verdictOf(r.Verdict == trace.Pass), Policy: None(),
		Walk: t.steps(r), class: means.Class}
	if r.Verdict == trace.Undecided {
		w.Verdict, w.why = Unknown, r.Reason
		return w
	}
	if d := r.Decided; d != nil && (w.Verdict == Deny || !d.Origin.Subject.Framing() || d.Origin.Subject.Kind == rules.KindOwnPort) {
		w.Policy, w.Position = d.Origin.Subject, position(d.Origin)
	}
	w.credit(means)
	if (r.Verdict == trace.Pass) != means.Allow {
		w.bug = fmt.Sprintf("the rules say %s (%s), but the policy means %s (%s): this is a bug of dockwall, please report it",
			w.Verdict, w.Policy, verdictOf(means.Allow), means.Origin.Subject)
	}
	return w
}

// credit names the block that allows, where the rules got by with the default:
// an allow beats a default, though a rule of its own would be of no use.
func (w *Way) credit(means policy.Answer) {
	by := means.Origin.Subject
	if w.Verdict != Allow || !means.Allow || by.Framing() || w.Policy != None() && !w.Policy.Default() {
		return
	}
	w.Policy, w.Position = by, ""
	if by.Kind != rules.KindDefaults {
		w.Position = position(means.Origin)
	}
}

func (t tracer) steps(r trace.Result) []Step {
	steps := []Step{}
	for _, s := range r.Steps {
		// A stamp decides nothing.
		if t.all || s.Outcome == trace.Hit && !s.Verdict.Kind.GoesOn() {
			steps = append(steps, Step{s.Chain, s.Outcome, trace.RuleText(s.Rule), s.Origin.Subject, position(s.Origin), s.Missed})
		}
	}
	return steps
}

func kindOfWay(way trace.PacketWay) Kind {
	switch {
	case way.Question.DNAT.IsValid():
		return DNAT
	case way.Base == rules.BaseInput:
		return Received
	}
	return Forwarded
}

func verdictOf(allow bool) string {
	if allow {
		return Allow
	}
	return Deny
}

func position(o rules.Origin) string {
	if o.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}
