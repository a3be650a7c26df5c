package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
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
	// glanced are the sets that are looked at more often than others.
	glanced glanced
	// without are the kinds of rules that this host does not take.
	without []rules.VerdictKind
	// latched is what the latch is shut for; nil: it is open.
	latched *rules.Latch
	// tight: rules were put back less than settleTime ago.
	tight bool
	// contestedSince is when others got in the way; zero: they are not.
	contestedSince time.Time
	// framed is what the bridges were made for last; frameless is why they were
	// not, and nil where they were.
	framed    *rules.Frames
	frameless error
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

const (
	// contested is the code for what could not be written, or did not stay, because
	// somebody else was writing.
	contested = "contested"
	// contestedGrace is how long that may last before it is told as a state that
	// somebody has to look after: another firewall's reload is over sooner.
	contestedGrace = time.Second
)

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
	r.err, r.code = err, codeOf(err)
	c.noteContested(r.code)
	if err != nil {
		c.known = false
		switch {
		case ctx.Err() != nil:
		case r.code == contested:
			c.o.Log.Warn("the kernel is not yet as the file says; looking again", "error", err, "cause", cause)
		default:
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

// codeOf is the code of the reason that an error gives to status; empty: it is none.
func codeOf(err error) string {
	var p problem
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return p.code
	}
	return "apply"
}

// noteContested keeps since when others have been in the way.
func (c *cycle) noteContested(code string) {
	switch {
	case code != contested:
		c.contestedSince = time.Time{}
	case c.contestedSince.IsZero():
		c.contestedSince = time.Now()
	}
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
		if err == nil {
			err = c.frame(due)
		}
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
	c.settleBridges()
	c.shut()
	return c.frame(due)
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

// ensureIsolation has bridged packets meet the rules where the policy isolates
// containers on one network.
func (c *cycle) ensureIsolation() {
	if c.o.Bridges == nil {
		return
	}
	err := c.o.Bridges.Show(compile.Isolated(c.doc.Policy, c.snapshot))
	if err != nil && c.isolation == nil {
		c.o.Log.Error("isolation between containers of one network is not in force", "error", err)
	}
	c.isolation = err
}

// settleBridges is called once the rules in force isolate what the policy says and
// no more.
func (c *cycle) settleBridges() {
	if c.o.Bridges == nil {
		return
	}
	if err := c.o.Bridges.Settle(); err != nil {
		c.o.Log.Warn("a bridge is shown to the rules although none isolates on it any more", "error", err)
	}
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
