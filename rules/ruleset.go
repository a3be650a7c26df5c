package rules

import (
	"slices"

	"dockwall/netinfo"
)

// Protocol is an IP protocol.
type Protocol = netinfo.Protocol

// Ruleset is everything dockwall wants in the kernel, for both families.
type Ruleset struct {
	// Chains are dockwall's own, in no particular order of meaning. Each is
	// rendered into the table of every stage whose hooks reach it.
	Chains []Chain `json:"chains"`
	// Hooks say which of them a packet enters, and from where.
	Hooks []Hook `json:"hooks"`
	Sets  []Set  `json:"sets,omitempty"`
}

// Chain is a named list of rules. Falling off its end is Return.
type Chain struct {
	Name  string `json:"name"`
	Rules []Rule `json:"rules"`
}

// Base is a chain of another program that dockwall puts one jump into.
type Base string

// The chains that are hooked.
const (
	BaseDockerUser Base = "DOCKER-USER" // filter, called by FORWARD
	BaseForward    Base = "FORWARD"     // the guard's, after filter
	BaseInput      Base = "INPUT"
	BaseOutput     Base = "OUTPUT" // filter alone
	// BasePrerouting is met by every packet that comes in, before connection
	// tracking makes or finds an entry for it.
	BasePrerouting Base = "PREROUTING"
)

// Stage is when a packet meets a hook.
type Stage string

// The stages, in the order in which a packet meets them.
const (
	StageEarly  Stage = "early"  // before connection tracking
	StageFilter Stage = "filter" // where the policy is decided
	StageGuard  Stage = "guard"  // after filter, where denials are repeated
	StageLatch  Stage = "latch"  // last, in a table that no flush of the rules reaches
)

// Hook is one jump from a base chain into a chain of the ruleset.
type Hook struct {
	// Guard: the jump stands in the guard table (security), where the chain
	// only repeats denials.
	Guard bool `json:"guard,omitempty"`
	// Latch: the chain is one of the latch's (Latch.Ruleset).
	Latch bool   `json:"latch,omitempty"`
	Base  Base   `json:"base"`
	Chain string `json:"chain"`
}

// Stage returns when packets meet the hook.
func (h Hook) Stage() Stage {
	switch {
	case h.Latch:
		return StageLatch
	case h.Guard:
		return StageGuard
	case h.Base == BasePrerouting:
		return StageEarly
	}
	return StageFilter
}

// Rule is one line: all matches must hold for the verdict to be given.
type Rule struct {
	Match   []Match `json:"match,omitempty"`
	Verdict Verdict `json:"verdict"`
	Origin  Origin  `json:"origin"`
}

// Origin says which part of the operator's file a rule comes from. Only Subject
// is rendered (into the comment); File and Line travel beside it.
type Origin struct {
	// Subject is the block, the default or the framing rule.
	Subject Subject `json:"policy"`
	// File is the base name, or the path relative to agent.hcl's folder; empty
	// for what no file says.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Chain returns the chain of that name, and whether there is one.
func (rs *Ruleset) Chain(name string) (*Chain, bool) {
	for i := range rs.Chains {
		if rs.Chains[i].Name == name {
			return &rs.Chains[i], true
		}
	}
	return nil, false
}

// Set returns the set of that name, and whether there is one.
func (rs *Ruleset) Set(name string) (*Set, bool) {
	for i := range rs.Sets {
		if rs.Sets[i].Name == name {
			return &rs.Sets[i], true
		}
	}
	return nil, false
}

// Reached are the names of the chains that these lead to, themselves included.
func (rs *Ruleset) Reached(from ...string) map[string]bool {
	seen := map[string]bool{}
	for len(from) > 0 {
		name := from[0]
		from = from[1:]
		if seen[name] {
			continue
		}
		c, ok := rs.Chain(name)
		if !ok {
			continue
		}
		seen[name] = true
		for _, r := range c.Rules {
			if r.Verdict.Chain != "" {
				from = append(from, r.Verdict.Chain)
			}
		}
	}
	return seen
}

// Incoming is the ruleset without what only OUTPUT and PREROUTING reach: no policy
// says what the host's own processes may do, and none speaks of forged sources.
func (rs Ruleset) Incoming() Ruleset {
	hooks := slices.DeleteFunc(slices.Clone(rs.Hooks), func(h Hook) bool { return h.Base == BaseOutput || h.Base == BasePrerouting })
	var from []string
	for _, h := range hooks {
		from = append(from, h.Chain)
	}
	in := rs.Reached(from...)
	rs.Hooks = hooks
	rs.Chains = slices.DeleteFunc(slices.Clone(rs.Chains), func(c Chain) bool { return !in[c.Name] })
	return rs
}

// Without is the ruleset without the rules that only report (Log) or that only
// mark (Stamp). It lets the same packets pass.
func (rs Ruleset) Without(kinds ...VerdictKind) Ruleset {
	if len(kinds) == 0 {
		return rs
	}
	rs.Chains = slices.Clone(rs.Chains)
	for i, c := range rs.Chains {
		rs.Chains[i].Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(r Rule) bool {
			return r.Verdict.Kind.GoesOn() && slices.Contains(kinds, r.Verdict.Kind)
		})
	}
	return rs
}
