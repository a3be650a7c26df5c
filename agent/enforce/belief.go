package enforce

import (
	"errors"
	"slices"
	"time"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/finding"
)

// Phase says how much of the kernel is known.
type Phase int

// The phases; doc.go says what follows from each.
const (
	Unknown Phase = iota
	Read
	InForce
	Contested
	Failed
)

func (p Phase) String() string {
	return [...]string{"unknown", "read", "in force", "contested", "failed"}[p]
}

// Belief is what a Target believes of the kernel.
type Belief struct {
	phase Phase
	// contestedSince is when another program got in the way first; zero if none does.
	contestedSince time.Time
	// state is what the kernel holds, in the phases Read and InForce.
	state backend.State
	// ruleset was brought into force last; nil if none was. A later pass compares the
	// kernel with it, to tell a change of dockwall's from another program's.
	ruleset *rules.Ruleset
	// behind: containers have moved members of sets since ruleset.
	behind bool
	// succeeded: a pass has succeeded since the start.
	succeeded bool
	// without are the kinds of rules that this host lacks.
	without []rules.VerdictKind
	latch   latchBelief
	frames  framesBelief
	// isolation is why bridged packets do not meet the rules; nil if they do, or need not.
	isolation error
}

// latchBelief is what is believed of the latch.
type latchBelief struct {
	// shut is what the latch is shut for; nil if it is open.
	shut *rules.Latch
	// settling: rules were put back less than SettleTime ago, and the latch is tight.
	settling bool
	// why is why it could not be shut, as of at; nil if it is shut, or nothing was tried.
	why error
	at  time.Time
}

// framesBelief is what is believed of the table of the bridges.
type framesBelief struct {
	// written is what was written last; nil if nothing, or it may be anything.
	written *rules.Frames
	// missing is why this kernel cannot have the table; nil if it can.
	missing error
}

// known reports whether state is what the kernel holds.
func (b *Belief) known() bool { return b.phase == Read || b.phase == InForce }

// forget has the next pass read the kernel.
func (b *Belief) forget() { b.phase, b.state = Unknown, nil }

// read notes what the kernel holds.
func (b *Belief) read(st backend.State) { b.phase, b.state = Read, st }

// enforced notes that the ruleset is in force, with the state that it came to.
func (b *Belief) enforced(rs *rules.Ruleset, st backend.State) {
	b.phase, b.state, b.ruleset, b.behind = InForce, st, rs, false
}

// ended notes how a pass ended.
func (b *Belief) ended(err error, now time.Time) {
	code := CodeOf(err)
	switch {
	case err == nil:
		b.phase, b.contestedSince, b.succeeded = InForce, time.Time{}, true
		return
	case code == finding.ContestedRules:
		b.forget()
		b.phase = Contested
		if b.contestedSince.IsZero() {
			b.contestedSince = now
		}
		return
	}
	b.forget()
	b.phase, b.contestedSince = Failed, time.Time{}
}

// Check returns an error if the belief is in no legal state. It holds between two
// passes.
func (b *Belief) Check() error {
	lacks := func(kind rules.VerdictKind) bool { return slices.Contains(b.without, kind) }
	var errs []error
	illegal := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("phase "+b.phase.String()+": "+text))
		}
	}
	illegal(b.phase == InForce && b.ruleset == nil, "no ruleset is in force")
	illegal(b.behind && b.ruleset == nil, "members moved, and no ruleset was ever in force")
	illegal((b.phase == Contested) == b.contestedSince.IsZero(), "contested and since when disagree")
	illegal(!b.known() && b.state != nil, "a state is kept that no reading vouches for")
	illegal(b.phase == InForce && !b.succeeded, "in force before any pass succeeded")
	illegal(b.latch.shut != nil && lacks(rules.Stamp), "the latch is shut, and no packet can be stamped")
	illegal(b.latch.shut != nil && b.ruleset == nil, "the latch is shut, and no ruleset was ever in force")
	illegal(b.latch.shut != nil && b.latch.why != nil, "the latch is shut, and could not be shut")
	illegal(b.latch.shut != nil && b.latch.shut.Tight != b.latch.settling, "the latch is tight without need, or loose while rules settle")
	illegal(b.frames.written != nil && b.frames.missing != nil, "frames were written where they cannot be")
	if b.phase == InForce {
		for _, kind := range b.without {
			illegal(has(b.ruleset, kind), "a rule is in force of a kind that the host lacks: "+string(kind))
		}
	}
	return errors.Join(errs...)
}

// has reports whether the ruleset has a rule of that kind.
func has(rs *rules.Ruleset, kind rules.VerdictKind) bool {
	if rs == nil {
		return false
	}
	return slices.ContainsFunc(rs.Chains, func(c rules.Chain) bool {
		return slices.ContainsFunc(c.Rules, func(r rules.Rule) bool { return r.Verdict.Kind == kind })
	})
}
