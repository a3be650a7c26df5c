package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

// cycle is what passes have come to: the document and the facts in force, and what
// status says of the changes.
type cycle struct {
	o Options

	doc         *config.Document
	configError string
	loadedAt    time.Time
	snapshot    netinfo.Snapshot
	// tally is for the log.
	tally tally
	// held are the files whose last good state is in force.
	held []config.Held

	appliedOnce bool
	appliedAt   time.Time
	generation  uint64
	repairs     uint64
	lastChange  Change
}

// result is how a pass ended.
type result struct {
	enforce.Result
	cause string
	due   Due
	err   error
	code  finding.Code // the reason's code if err is not nil
	took  time.Duration
	event time.Time
}

// left says what the kernel holds after a pass that failed.
func left(err error) string {
	if errors.Is(err, plan.ErrNotUndone) || errors.Is(err, enforce.ErrNotRead) {
		return "it may hold a part of the change, and is read again before the next try"
	}
	return "it is as it was"
}

func (c *cycle) resync() time.Duration {
	if c.doc != nil {
		return c.doc.Settings.Firewall.Resync
	}
	return 30 * time.Second
}

// pass does what is due. An error leaves the kernel as it was.
func (c *cycle) pass(ctx context.Context, due Due, cause string, since time.Time) result {
	begun := time.Now()
	defer func() { c.tally.log(time.Now(), c.o.Log) }()
	r := result{cause: cause, due: due}
	err := c.do(ctx, due, &r)
	r.took = time.Since(begun)
	r.err, r.code = err, enforce.CodeOf(err)
	c.repairs += uint64(r.Repairs)
	if err != nil {
		switch {
		case ctx.Err() != nil:
		case r.code == finding.ContestedRules:
			c.o.Log.Warn("the kernel is not yet as the file says; looking again", "error", err, "cause", cause)
		default:
			c.o.Log.Error("the kernel could not be made as the file says; "+left(err), "error", err, "cause", cause)
		}
		return r
	}
	if c.doc != nil {
		c.appliedOnce = true
		c.appliedAt = time.Now()
	}
	if r.Changed {
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
		err = &enforce.Problem{Code: finding.Facts, Err: err}
		c.o.Target.Failed(err)
		return err
	}
	c.snapshot, r.event = snap, event
	if c.doc == nil {
		return nil
	}
	r.Result, err = c.o.Target.Pass(ctx, snap, due&DueKernel != 0)
	return err
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
	c.noteHeld(doc.Held)
	c.doc, c.loadedAt = doc, time.Now()
	c.o.Target.Load(doc.Policy, doc.Settings.Firewall)
	if c.o.Loaded != nil {
		c.o.Loaded(doc)
	}
}

// noteHeld keeps for status, and logs once, which files are not in force as they are.
func (c *cycle) noteHeld(held []config.Held) {
	for _, h := range held {
		if !slices.ContainsFunc(c.held, func(was config.Held) bool { return was.Path == h.Path && was.Reason == h.Reason }) {
			c.o.Log.Warn("the last good state of a file stays in force", "block", h.Block, "file", h.Path, "reason", h.Reason)
		}
	}
	for _, was := range c.held {
		if !slices.ContainsFunc(held, func(h config.Held) bool { return h.Path == was.Path }) {
			c.o.Log.Info("a file is good again", "file", was.Path)
		}
	}
	c.held = held
}

func (c *cycle) noteChange(r *result, since time.Time) {
	c.generation++
	c.lastChange = Change{At: time.Now(), Cause: r.cause, Took: r.took}
	for _, ch := range r.Plan.Changes {
		n := len(ch.Old) + len(ch.New)
		if ch.Kind == plan.ChangeSet {
			c.lastChange.Members += n
		} else {
			c.lastChange.Rules += n
		}
	}
	if r.Repaired {
		c.lastChange.Cause = "put back what something else changed"
	}
	for _, ch := range r.Plan.Changes {
		c.o.Log.Debug("change", "kind", string(ch.Kind), "family", ch.Family, "chain", ch.Chain, "set", ch.Set, "old", ch.Old, "new", ch.New)
	}
	args := []any{"cause", c.lastChange.Cause, "rules", c.lastChange.Rules, "members", c.lastChange.Members,
		"took", r.took.Round(100 * time.Microsecond), "waited", time.Since(since).Round(100*time.Microsecond) - r.took.Round(100*time.Microsecond)}
	switch {
	case r.Repaired:
		c.o.Log.Warn("kernel repaired", args...)
	case r.due == DueFacts && c.generation > 1:
		c.o.Log.Debug("kernel changed", args...)
		c.tally.add(c.lastChange)
	default:
		c.o.Log.Info("kernel changed", args...)
	}
}
