package reconcile

import (
	"slices"
	"strings"
	"time"

	"dockwall/agent/config"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

// Observer is told how passes went, for metrics.
type Observer interface {
	Passed(Pass, Status)
}

// Pass is how one pass went.
type Pass struct {
	Cause string
	// Due is what the pass looked at again.
	Due      Due
	Took     time.Duration
	Changed  bool
	Repaired bool
	// Drift is in what the kernel had been changed by others, where Repaired.
	Drift []plan.ChangeKind
	Err   error
	// Event is when Docker's event happened that the pass answered; zero if none.
	Event time.Time
}

func (r result) pass() Pass {
	return Pass{Cause: r.cause, Due: r.due, Took: r.took, Changed: r.Changed, Repaired: r.Repaired, Drift: r.Drift, Err: r.err, Event: r.event}
}

// status sums up after a pass.
func (c *cycle) status(r result) Status {
	e := c.snapshot.Engine
	st := Status{
		Config:     ConfigStatus{Path: c.o.Path, Error: c.configError, LoadedAt: c.loadedAt},
		Docker:     DockerStatus{Connected: e.Connected, Version: e.Version, Error: e.Error},
		Generation: c.generation, AppliedAt: c.appliedAt, LastChange: c.lastChange, Repairs: c.repairs,
		Problems: c.problems(),
		Reasons:  []finding.Finding{},
	}
	if st.Config.Held = c.held; st.Config.Error == "" {
		st.Config.Error = heldError(c.held)
	}
	c.addTrial(&st)
	if b := c.o.Target.Writing(); b != nil {
		st.Backend, st.Sets = b.Name(), b.Limits().SetsWord()
	}
	for _, ct := range c.snapshot.Containers {
		if len(ct.Endpoints) > 0 || ct.HostNetwork && ct.Running() {
			st.Containers++
		}
	}
	st.Reasons = append(st.Reasons, c.reasons(r)...)
	for _, f := range st.Problems {
		if f.Kind().Degrades() {
			st.Reasons = append(st.Reasons, f)
		}
	}
	st.Problems = slices.DeleteFunc(st.Problems, func(f finding.Finding) bool { return f.Kind().Degrades() })
	for i, f := range st.Reasons {
		st.Reasons[i] = f.WithFix()
	}
	switch {
	case !c.appliedOnce:
		st.State = Starting
	case len(st.Reasons) > 0:
		st.State = Degraded
	default:
		st.State = Enforcing
	}
	return st
}

// problems are the target's, and those of the host that no pass changes.
func (c *cycle) problems() []finding.Finding {
	all := c.o.Target.Problems()
	if c.o.Host != nil {
		all = append(all, c.o.Host()...)
	}
	return all
}

// heldError says in one line which files on disk are not in force.
func heldError(held []config.Held) string {
	var all []string
	for _, h := range held {
		all = append(all, h.Reason)
	}
	return strings.Join(all, "; ")
}

// addTrial reports a trial. Where the file was not confirmed, it is not in
// force, whether or not it has errors.
func (c *cycle) addTrial(st *Status) {
	if c.o.Trial == nil {
		return
	}
	st.Trial = c.o.Trial()
	if t := st.Trial; t != nil && t.State == TrialUnconfirmed {
		st.Config.Error = "it was on trial and was not confirmed: the policy of before is in force, until the file is changed or put in force with agentctl apply"
		st.Reasons = append(st.Reasons, finding.New(finding.Unconfirmed, c.o.Path+": "+st.Config.Error))
	}
}

func (c *cycle) reasons(r result) []finding.Finding {
	var rs []finding.Finding
	if c.configError != "" {
		rs = append(rs, finding.New(finding.Config, "the file has errors; the last good policy is in force: "+c.configError))
	}
	for _, h := range c.held {
		rs = append(rs, finding.New(finding.List, h.String()))
	}
	if e := c.snapshot.Engine; !e.Connected {
		rs = append(rs, finding.New(finding.DockerAway, "Docker does not answer, its containers are as last seen: "+e.Error))
	}
	if r.err != nil && (r.code != finding.ContestedRules || c.o.Target.ContestedFor() >= finding.KindOf(finding.ContestedRules).After) {
		rs = append(rs, finding.New(r.code, r.err.Error()))
	}
	if f, ok := c.o.Target.LeftOut(); ok {
		rs = append(rs, f)
	}
	if err := c.o.Target.Isolation(); err != nil {
		rs = append(rs, finding.New(finding.Isolation, "isolation between containers of one network is not in force: "+err.Error()))
	}
	return rs
}
