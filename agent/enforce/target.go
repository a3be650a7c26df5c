package enforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/compile"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
)

// Target is the kernel of one network namespace, which is brought to a policy.
type Target struct {
	writer
	// fresh: the policy was loaded since the last pass.
	fresh    bool
	compiler compile.Compiler
	compiled compiled
	glanced  glanced
	// prepared is what Compare found, for Apply; nil if nothing is.
	prepared *prepared
}

// writer is what writes to this host for a Target, and what is believed of the kernel. It
// does not compile, and decides no order.
type writer struct {
	o        Options
	policy   policy.Policy
	firewall config.FirewallSettings
	snapshot netinfo.Snapshot
	backend  choice
	belief   Belief
}

// compiled is what the compiler said of the policy and the facts.
type compiled struct {
	problems []finding.Finding
	// followed: containers have changed since the problems were found.
	followed bool
	// since: problems are newer than those that ProblemsLater looks for.
	since bool
}

// Result is what a pass did.
type Result struct {
	// Plan is the last one.
	Plan plan.Plan
	// Ran: the plan was run. Changed: rules or members changed by that, and not only
	// sets that were left over. Repaired: another program had changed them.
	Ran, Changed, Repaired bool
	// Repairs counts the tables changed by other programs that were repaired.
	Repairs int
	// Drift is in what the kernel had been changed, each kind once.
	Drift []plan.ChangeKind
	// Tightened: the latch is tight; Loosen is to be called SettleTime later.
	Tightened bool
}

// Enforced is what the kernel holds by the last pass that succeeded.
type Enforced struct {
	// Ruleset has the members of its sets as of the last pass that compiled: containers
	// may have moved some since.
	Ruleset rules.Ruleset
	// LeftOut are the kinds of rules that the policy implies and that this host
	// lacks. The ruleset has none of them.
	LeftOut  []rules.VerdictKind
	Problems []finding.Finding
	// Isolation is why isolation between containers of one network is not in force;
	// nil: it is, or no policy wants it.
	Isolation error
	// Backend is what it was written with.
	Backend backend.Backend
}

// New returns a Target. Load comes before the first pass.
func New(o Options) *Target { return &Target{writer: writer{o: o}} }

// Load makes this the policy of the next passes, which try every kind of rule
// again: an operator may have loaded the kernel's module.
func (t *Target) Load(p policy.Policy, f config.FirewallSettings) {
	t.catchUp()
	if f.Backend != t.firewall.Backend || f.Sets != t.firewall.Sets {
		t.backend.chosen = nil
	}
	t.policy, t.firewall, t.fresh = p, f, true
	t.belief.without = nil
}

// Pass brings the kernel to the policy on these facts. With look it reads the
// kernel first, though it believes to know it.
func (t *Target) Pass(ctx context.Context, s netinfo.Snapshot, look bool) (Result, error) {
	t.prepared = nil
	return t.run(ctx, s, look)
}

func (t *Target) run(ctx context.Context, s netinfo.Snapshot, look bool) (Result, error) {
	var r Result
	err := t.pass(ctx, s, look, &r)
	t.prepared = nil
	t.belief.ended(err, time.Now())
	return r, err
}

// Failed notes that a pass could not begin: the kernel is read again.
func (t *writer) Failed(err error) { t.belief.ended(err, time.Now()) }

func (t *Target) pass(ctx context.Context, s netinfo.Snapshot, look bool, r *Result) error {
	t.snapshot = s
	if err := t.choose(ctx, look); err != nil {
		return &Problem{finding.Backend, err}
	}
	if !look && !t.fresh {
		if done, err := t.follow(ctx, r); done || err != nil {
			t.tryLatch()
			if err == nil {
				err = t.frame(false, r)
			}
			return err
		}
	}
	if look {
		t.restoreFrames(r)
	}
	rs, err := t.compile()
	if err != nil {
		return err
	}
	t.ensureIsolation()
	if err := t.bringEach(ctx, rs, look, r); err != nil || t.o.Trial {
		return err
	}
	t.settleBridges()
	t.shut()
	return t.frame(look && t.belief.frames.written == nil, r)
}

// compile is the ruleset that policy and facts come to.
func (t *Target) compile() (rules.Ruleset, error) {
	if t.prepared != nil {
		return t.prepared.ruleset, nil
	}
	t.catchUp()
	rs, problems := t.compiler.Compile(t.policy, t.snapshot)
	t.fresh = false
	t.compiled = compiled{problems: problems, since: true}
	if err := errors.Join(rs.Validate(), t.backend.chosen.Check(rs)); err != nil {
		return rs, &Problem{finding.Apply, fmt.Errorf("the compiled ruleset is not valid, and was not applied: %w", err)}
	}
	return rs, nil
}

// Enforced returns what the kernel holds by the last pass that succeeded; false if none
// has yet. Its ruleset is shared, and must not be written to.
func (t *Target) Enforced() (Enforced, bool) {
	if t.belief.ruleset == nil {
		return Enforced{}, false
	}
	return Enforced{*t.belief.ruleset, slices.Clone(t.belief.without), t.Problems(), t.belief.isolation, t.backend.last}, true
}

// Writing returns the backend that rules are written with here; nil if no pass has chosen
// one yet.
func (t *writer) Writing() backend.Backend { return t.backend.chosen }

// Isolation is why isolation between containers of one network is not in force;
// nil: it is, or no policy wants it.
func (t *writer) Isolation() error { return t.belief.isolation }

// ContestedFor is for how long another program has kept the rules from getting, or
// staying, in force.
func (t *writer) ContestedFor() time.Duration {
	if t.belief.contestedSince.IsZero() {
		return 0
	}
	return time.Since(t.belief.contestedSince)
}

// Known reports whether the kernel is believed to hold the ruleset in force.
func (t *writer) Known() bool { return t.belief.known() }
