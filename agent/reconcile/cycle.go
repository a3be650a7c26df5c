package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/iptables"
	"dockwall/rules/plan"
)

// cycle is what one pass does, and what it remembers for the next.
type cycle struct {
	o Options

	doc         *config.Document
	configError string
	loadedAt    time.Time

	snapshot netinfo.Snapshot
	problems []compile.Problem
	// followed: containers have changed since the problems were found.
	followed bool
	// compiledSince: problems are newer than those that are being looked for.
	compiledSince bool

	// variant and options are chosen anew when the engine was away.
	variant   iptables.Variant
	compiler  compile.Compiler
	options   iptables.Options
	connected bool
	// chosen: the variant was chosen since the other one was last tidied.
	chosen bool

	// state is what is believed to be in the kernel; valid only while known.
	state iptables.State
	known bool
	// wanted is the ruleset of the last pass that applied, for telling a change
	// of ours from somebody else's.
	wanted *rules.Ruleset
	// behind: the compiler has moved on from wanted.
	behind      bool
	appliedOnce bool
	appliedAt   time.Time
	generation  uint64
	repairs     uint64
	lastChange  Change
	isolation   error
	// without are the kinds of rules that this host does not take.
	without []rules.VerdictKind
	// latched is what the latch is shut for; nil: it is open.
	latched *rules.Latch
	// tight: rules were put back less than settleTime ago.
	tight bool
	// loose is why the latch is not shut, as of looseAt; nil: it is, or there is none.
	loose   error
	looseAt time.Time
}

// result is how a pass ended.
type result struct {
	cause    string
	due      Due
	err      error
	code     string // the reason's code where err is not nil
	changed  bool
	repaired bool
	// tightened: the latch is to be loosened again.
	tightened bool
	drift     []plan.ChangeKind // what was repaired, each kind once
	plan      plan.Plan
	took      time.Duration
	event     time.Time
}

// problem is an error with the code of the reason that it gives to status.
type problem struct {
	code string
	err  error
}

func (p problem) Error() string { return p.err.Error() }
func (p problem) Unwrap() error { return p.err }

func (c *cycle) resync() time.Duration {
	if c.doc != nil {
		return c.doc.Settings.Firewall.Resync
	}
	return 30 * time.Second
}

// pass does what is due. An error leaves the kernel as it was.
func (c *cycle) pass(ctx context.Context, due Due, cause string, since time.Time) result {
	begun := time.Now()
	r := result{cause: cause, due: due}
	err := c.do(ctx, due, &r)
	r.took = time.Since(begun)
	r.err = err
	if err != nil {
		c.known = false
		r.code = "apply"
		var p problem
		if errors.As(err, &p) {
			r.code = p.code
		}
		if ctx.Err() == nil {
			c.o.Log.Error("the kernel could not be made as the file says; it is as it was", "error", err, "cause", cause)
		}
		return r
	}
	if c.doc != nil {
		c.appliedOnce = true
		c.appliedAt = time.Now()
	}
	if r.changed {
		c.noteChange(&r, since)
	}
	return r
}

func (c *cycle) do(ctx context.Context, due Due, r *result) error {
	if due&DueFile != 0 || c.doc == nil {
		c.load()
	}
	snap, event, err := c.o.Facts.Snapshot()
	if err != nil {
		return problem{"facts", err}
	}
	c.snapshot, r.event = snap, event
	if c.doc == nil {
		return nil
	}
	if err := c.choose(ctx); err != nil {
		return problem{"backend", err}
	}
	if done, err := c.follow(ctx, due, r); done || err != nil {
		c.tryLatch()
		return err
	}
	c.catchUp()
	rs, problems := c.compiler.Compile(c.doc.Policy, snap)
	c.problems, c.followed, c.compiledSince = problems, false, true
	if err := rs.Validate(); err != nil {
		return problem{"apply", fmt.Errorf("the compiled ruleset is not valid, and was not applied: %w", err)}
	}
	c.ensureIsolation()
	if err := c.applyWhat(ctx, rs, due, r); err != nil {
		return err
	}
	c.shut()
	return nil
}

// load reads the file. One with an error leaves the policy in force as it is.
func (c *cycle) load() {
	doc, diags := c.o.Load()
	if doc == nil {
		c.configError = diags.Err().Error()
		c.o.Log.Error("agent.hcl has errors; the policy in force stays", "errors", c.configError)
		return
	}
	if c.configError != "" {
		c.o.Log.Info("agent.hcl is good again")
	}
	c.configError = ""
	if c.doc != nil && (c.doc.Settings.Firewall.Backend != doc.Settings.Firewall.Backend || c.doc.Settings.Firewall.Sets != doc.Settings.Firewall.Sets) {
		c.variant = "" // to be chosen anew
	}
	c.doc, c.loadedAt = doc, time.Now()
	c.without = nil // somebody may have put it right
	if c.o.Loaded != nil {
		c.o.Loaded(doc)
	}
}

// choose picks the variant: at first, after the file changed, and whenever the
// engine has come back, since it may have come back with the other one.
func (c *cycle) choose(ctx context.Context) error {
	back := c.snapshot.Engine.Connected && !c.connected
	c.connected = c.snapshot.Engine.Connected
	if c.variant != "" && !back {
		return nil
	}
	v, err := c.o.Backend.Detect(ctx, c.doc.Settings.Firewall.Backend)
	if err != nil {
		return err
	}
	o, err := c.o.Backend.Options(ctx, c.doc.Settings.Firewall.Sets, v, c.snapshot.Engine.Version)
	if err != nil {
		return err
	}
	if v != c.variant || o != c.options {
		c.known = false
		c.o.Log.Info("writing to", "variant", string(v), "sets", setsWord(o), "guard", o.Guard)
	}
	c.variant, c.options, c.chosen = v, o, true
	return nil
}

// apply brings the kernel to the ruleset.
func (c *cycle) apply(ctx context.Context, rs rules.Ruleset, due Due, r *result) error {
	if due&DueKernel != 0 || !c.known {
		st, err := c.o.Kernel.Observe(ctx, c.variant)
		if err != nil {
			return err
		}
		r.drift = c.drifted(st)
		r.repaired = r.drift != nil
		c.state, c.known = iptables.Share(st, rs), true
	}
	p, advance := iptables.DiffAdvance(rs, c.state, c.options)
	r.plan = p
	if p.Empty() {
		c.wanted, c.behind = &rs, false
		return c.leaveOther(ctx)
	}
	if r.repaired && exposed(p, c.options.Guard) {
		c.tighten()
		r.tightened = true
	}
	if err := c.o.Kernel.Run(ctx, p); err != nil {
		return err
	}
	r.changed = len(p.Changes) > 0
	c.wanted, c.behind = &rs, false
	c.state = advance()
	if touchesRules(p) {
		if err := c.verify(ctx, rs); err != nil {
			return err
		}
	}
	if r.repaired {
		c.repairs++
	}
	if c.o.Cutter != nil && mayTighten(p, c.snapshot) {
		c.o.Cutter.Ask(rs, c.snapshot)
	}
	return c.leaveOther(ctx)
}

// leaveOther takes what an earlier run wrote out of the variant that is not in
// use, once after each choice.
func (c *cycle) leaveOther(ctx context.Context) error {
	if !c.chosen {
		return nil
	}
	c.chosen = false
	return c.o.Backend.RemoveOther(ctx, c.variant)
}

// drifted tells in what the kernel is no longer as the last pass left it; nil:
// it is. Something that people are not shown, a set left over, is no kind.
func (c *cycle) drifted(st iptables.State) []plan.ChangeKind {
	if !c.appliedOnce || c.wanted == nil {
		return nil
	}
	p := iptables.Diff(*c.wanted, st, c.options)
	if p.Empty() {
		return nil
	}
	kinds := []plan.ChangeKind{}
	for _, kind := range plan.ChangeKinds() {
		if slices.ContainsFunc(p.Changes, func(ch plan.Change) bool { return ch.Kind == kind }) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// verify reads back what was written. A plan that does not lead where it says
// must be seen at once.
func (c *cycle) verify(ctx context.Context, rs rules.Ruleset) error {
	st, err := c.o.Kernel.Observe(ctx, c.variant)
	if err != nil {
		return err
	}
	c.state = iptables.Share(st, rs)
	if rest := iptables.Diff(rs, st, c.options); len(rest.Changes) > 0 {
		return fmt.Errorf("the kernel does not hold what was written a moment ago (%d differences, first in %s%s): another program is writing at the same time",
			len(rest.Changes), rest.Changes[0].Chain, rest.Changes[0].Set)
	}
	return nil
}

// touchesRules tells whether the plan writes more than members of sets.
func touchesRules(p plan.Plan) bool {
	for _, ch := range p.Changes {
		if ch.Kind != plan.ChangeSet {
			return true
		}
	}
	return false
}

// mayTighten tells whether a connection that was allowed may not be any more:
// rules changed, a container that lives on left a set, or one was there before
// its ports were closed. One that ended took its connections along.
func mayTighten(p plan.Plan, s netinfo.Snapshot) bool {
	if touchesRules(p) || p.Settles() {
		return true
	}
	var alive map[string]bool
	for _, ch := range p.Changes {
		if len(ch.Old) > 0 && alive == nil {
			alive = map[string]bool{}
			for _, ct := range s.Containers {
				for _, e := range ct.Endpoints {
					for _, a := range e.Addrs {
						alive[a.String()] = true
					}
				}
			}
		}
		for _, member := range ch.Old {
			if alive[member] {
				return true
			}
		}
	}
	return false
}

// ensureIsolation sees to it that bridged packets meet the rules where the
// policy isolates containers on one network.
func (c *cycle) ensureIsolation() {
	if c.o.Bridges == nil || !compile.NeedsBridgeNetfilter(c.doc.Policy) {
		c.isolation = nil
		return
	}
	err := c.o.Bridges.EnsureBridgeNF()
	if err != nil && c.isolation == nil {
		c.o.Log.Error("isolation between containers of one network is not in force", "error", err)
	}
	c.isolation = err
}

// probe is the look between passes: a cheap one, or with all a full one.
func (c *cycle) probe(ctx context.Context, all bool) (changed bool, err error) {
	if c.doc == nil || !c.known {
		return false, nil
	}
	c.ensureIsolation()
	return c.o.Kernel.Probe(ctx, c.state, all)
}

func (c *cycle) noteChange(r *result, since time.Time) {
	c.generation++
	c.lastChange = Change{At: time.Now(), Cause: r.cause, Took: r.took}
	for _, ch := range r.plan.Changes {
		n := len(ch.Old) + len(ch.New)
		if ch.Kind == plan.ChangeSet {
			c.lastChange.Members += n
		} else {
			c.lastChange.Rules += n
		}
	}
	if r.repaired {
		c.lastChange.Cause = "put back what something else changed"
	}
	for _, ch := range r.plan.Changes {
		c.o.Log.Debug("change", "kind", string(ch.Kind), "family", ch.Family, "chain", ch.Chain, "set", ch.Set, "old", ch.Old, "new", ch.New)
	}
	args := []any{"cause", c.lastChange.Cause, "rules", c.lastChange.Rules, "members", c.lastChange.Members,
		"took", r.took.Round(100 * time.Microsecond), "waited", time.Since(since).Round(100*time.Microsecond) - r.took.Round(100*time.Microsecond)}
	if r.repaired {
		c.o.Log.Warn("kernel repaired", args...)
	} else {
		c.o.Log.Info("kernel changed", args...)
	}
}

func setsWord(o iptables.Options) string {
	if o.Inline {
		return "inline"
	}
	return "ipset"
}
