package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// policyNone is the policy of what dockwall lets pass without judging it.
const policyNone = "none"

// wayKind is how the kernel may show an attempt to dockwall.
type wayKind string

// The kinds of ways.
const (
	wayDNAT      wayKind = "dnat"      // Docker's nat rules send it to the container
	wayReceived  wayKind = "received"  // by the host: docker-proxy, or a service
	wayForwarded wayKind = "forwarded" // as it was dialled
	wayUnseen    wayKind = "unseen"    // it never meets dockwall's rules
)

// explainedWay is one way and what becomes of the packet on it.
type explainedWay struct {
	Kind     wayKind         `json:"kind"`
	Question policy.Question `json:"question"`
	Verdict  string          `json:"verdict"`
	Policy   string          `json:"policy"`
	Position string          `json:"position"`
	Walk     []explainedStep `json:"walk"`
	// class says as what it was judged; bug is where the rules and the policy's
	// meaning differ.
	class policy.Class
	bug   string
}

// explainedStep is a rule on the way.
type explainedStep struct {
	Chain    string        `json:"chain"`
	Outcome  trace.Outcome `json:"outcome"`
	Rule     string        `json:"rule"`
	Policy   string        `json:"policy,omitempty"`
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

func (t tracer) ask(q policy.Question) ([]explainedWay, error) {
	packets := trace.Packets(t.s, q)
	if len(packets) == 0 {
		means := policy.Eval(t.p, t.s, q)
		return []explainedWay{{Kind: wayUnseen, Question: q, Verdict: verdictOf(means.Allow), Policy: policyNone,
			Walk: []explainedStep{}, class: means.Class}}, nil
	}
	var ways []explainedWay
	for _, way := range packets {
		w, err := t.follow(way)
		if err != nil {
			return nil, err
		}
		ways = append(ways, w)
	}
	// Where nat rules take a connection, docker-proxy does not get it.
	slices.SortStableFunc(ways, func(a, b explainedWay) int {
		return cmp.Compare(wayOrder(a.Kind), wayOrder(b.Kind))
	})
	return ways, nil
}

func wayOrder(k wayKind) int {
	if k == wayDNAT {
		return 0
	}
	return 1
}

func (t tracer) follow(way trace.PacketWay) (explainedWay, error) {
	r := t.m.Run(way.Packet, way.Base)
	if r.Verdict == trace.Undecided {
		return explainedWay{}, fmt.Errorf("what becomes of the packet cannot be told: %s", r.Reason)
	}
	means := policy.Eval(t.p, t.s, way.Question)
	w := explainedWay{Kind: kindOfWay(way), Question: way.Question, Verdict: verdictOf(r.Verdict == trace.Pass), Policy: policyNone,
		Walk: t.steps(r), class: means.Class}
	if d := r.Decided; d != nil && (w.Verdict == verdictDeny || !framing(d.Origin.Policy)) {
		w.Policy, w.Position = d.Origin.Policy, position(d.Origin)
	}
	w.credit(means)
	if (r.Verdict == trace.Pass) != means.Allow {
		w.bug = fmt.Sprintf("the rules say %s (%s), but the policy means %s (%s): this is a bug of dockwall, please report it",
			w.Verdict, w.Policy, verdictOf(means.Allow), means.Policy)
	}
	return w, nil
}

// credit names the block that allows, where the rules got by with the default:
// an allow beats a default, though a rule of its own would be of no use.
func (w *explainedWay) credit(means policy.Answer) {
	kind, _, _ := strings.Cut(w.Policy, ".")
	if w.Verdict != verdictAllow || !means.Allow || framing(means.Policy) || w.Policy != policyNone && kind != "defaults" && kind != "network" {
		return
	}
	w.Policy, w.Position = means.Policy, ""
	if !strings.HasPrefix(means.Policy, "defaults.") {
		w.Position = position(means.Origin)
	}
}

func (t tracer) steps(r trace.Result) []explainedStep {
	steps := []explainedStep{}
	for _, s := range r.Steps {
		// A stamp decides nothing.
		if t.all || s.Outcome == trace.Hit && !s.Verdict.Kind.GoesOn() {
			steps = append(steps, explainedStep{s.Chain, s.Outcome, trace.RuleText(s.Rule), s.Origin.Policy, position(s.Origin), s.Missed})
		}
	}
	return steps
}

func kindOfWay(way trace.PacketWay) wayKind {
	switch {
	case way.Question.DNAT.IsValid():
		return wayDNAT
	case way.Base == rules.BaseInput:
		return wayReceived
	}
	return wayForwarded
}

func verdictOf(allow bool) string {
	if allow {
		return verdictAllow
	}
	return verdictDeny
}

// framing tells that a rule belongs to no block and no default: what it lets
// pass is not dockwall's matter.
func framing(name string) bool {
	kind, _, _ := strings.Cut(name, ".")
	switch kind {
	case "published", "between", "egress", "host", "docker_api", "block", "defaults", "network":
		return false
	}
	return true
}

func position(o rules.Origin) string {
	if o.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}
