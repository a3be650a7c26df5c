package enforce

import (
	"net/netip"
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/plan"
)

// cut asks the cutter to look at connections after the plan has run.
func (t *writer) cut(p plan.Plan, ruleset func() rules.Ruleset) {
	if t.o.Cutter == nil {
		return
	}
	if c, ok := t.o.Cutter.(FirstCutter); ok && (!t.belief.succeeded && hooks(p) || hooksEarly(p)) {
		c.AskFirst(ruleset(), t.snapshot)
		return
	}
	if ps := claims(p); len(ps) > 0 {
		if c, ok := t.o.Cutter.(ClaimCutter); ok {
			c.AskClaimed(ruleset(), t.snapshot, ps)
			return
		}
	}
	if mayTighten(p, t.snapshot) {
		t.o.Cutter.Ask(ruleset(), t.snapshot)
		return
	}
	if c, ok := t.o.Cutter.(Reopener); ok && len(p.Changes) > 0 && c.Closed() {
		c.AskReopen(ruleset(), t.snapshot)
	}
}

// hooks reports whether the plan puts a jump into a chain of others: until then
// packets passed by a chain of the ruleset.
func hooks(p plan.Plan) bool {
	return slices.ContainsFunc(p.Changes, func(ch plan.Change) bool { return ch.Kind == plan.ChangeJump && len(ch.New) > 0 })
}

// hooksEarly is hooks for the chain that refuses packets before connection tracking. If
// another program took its jump away, packets with a false source made connections.
func hooksEarly(p plan.Plan) bool {
	return slices.ContainsFunc(p.Changes, func(ch plan.Change) bool {
		return ch.Kind == plan.ChangeJump && len(ch.New) > 0 && ch.Table == "raw"
	})
}

// claims returns the prefixes that the plan adds to the sources which are refused where
// they cannot come from: those of a new network, or of a route behind a container, or
// all of them where another program emptied the set. Without sets each prefix is in a
// rule.
func claims(p plan.Plan) []netip.Prefix {
	var ps []netip.Prefix
	add := func(text string) {
		if a, err := netip.ParseAddr(text); err == nil {
			text = netip.PrefixFrom(a, a.BitLen()).String()
		}
		if prefix, err := netip.ParsePrefix(text); err == nil {
			ps = append(ps, prefix)
		}
	}
	for _, ch := range p.Changes {
		switch {
		case ch.Kind == plan.ChangeSet && strings.HasSuffix(ch.Set, "-"+compile.ClaimedSet()):
			for _, member := range ch.New {
				add(member)
			}
		case ch.Kind == plan.ChangeChain && ch.Chain == compile.ClaimingChain:
			for _, line := range ch.New {
				if _, rest, found := strings.Cut(line, " -s "); found {
					source, _, _ := strings.Cut(rest, " ")
					add(source)
				}
			}
		}
	}
	return ps
}
