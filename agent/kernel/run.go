package kernel

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
	native "dockwall/rules/backend/nftables"
	"dockwall/rules/nft"
	"dockwall/rules/plan"
)

// StepError is the error of a step that a program or the kernel rejected.
type StepError struct {
	Step plan.Step
	// Line is the line of the step's script that the program named, from 1. It is 0 if
	// the program named none, or only the COMMIT.
	Line int
	// Text is that line.
	Text string
	// Origin is the line's origin; zero if it is unknown.
	Origin rules.Origin
	Err    error
	// op is the operation that the kernel refused, of a plan.EditTable; nil if it named none.
	op nft.Op
	// RolledBack is set if the kernel holds the ruleset of before.
	RolledBack bool
}

func (e *StepError) Error() string {
	var b strings.Builder
	if e.Origin.File != "" {
		fmt.Fprintf(&b, "%s:%d: ", e.Origin.File, e.Origin.Line)
	}
	if e.Origin.Subject != (rules.Subject{}) {
		fmt.Fprintf(&b, "%s: ", e.Origin.Subject)
	}
	fmt.Fprintf(&b, "%s: %v", e.Step.Why, e.Err)
	if e.Text != "" {
		fmt.Fprintf(&b, " (line %d: %s)", e.Line, e.Text)
	}
	if kind, _ := e.Lacks(); kind == rules.Log {
		b.WriteString("; refused packets cannot be reported here: load the kernel's module xt_NFLOG, or write log_denied = false")
	}
	return b.String()
}

// Lacks reports whether what was refused is the rules that report packets, or those
// that stamp them: this iptables, or this kernel, has no NFLOG or no CLASSIFY.
// Legacy does not say which of a table's rules it refuses, so there it is a guess.
func (e *StepError) Lacks() (rules.VerdictKind, bool) {
	if add, ok := e.op.(nft.AddRule); ok {
		logs := slices.ContainsFunc(add.Rule.Statements, func(s nft.Statement) bool { _, is := s.(nft.Log); return is })
		return rules.Log, logs && (errors.Is(e.Err, unix.ENOENT) || errors.Is(e.Err, unix.EOPNOTSUPP))
	}
	for _, t := range []struct {
		kind         rules.VerdictKind
		name, option string
	}{{rules.Log, "NFLOG", "--nflog-"}, {rules.Stamp, "CLASSIFY", "--set-class"}} {
		if e.lacks(t.name, t.option) {
			return t.kind, true
		}
	}
	return "", false
}

func (e *StepError) lacks(target, option string) bool {
	said := e.Err.Error()
	if !strings.Contains(e.Step.Script().Body, "-j "+target) {
		return false
	}
	return strings.Contains(said, target) || strings.Contains(said, `unknown option "`+option) ||
		strings.Contains(e.Text, "-j "+target) && strings.Contains(said, "No such file or directory") ||
		e.Text == "" && strings.Contains(said, "No chain/target/match by that name")
}

// FailedFamily returns the family of the table that the step writes; false if it writes
// none.
func (e *StepError) FailedFamily() (int, bool) {
	switch a := e.Step.Action.(type) {
	case plan.RestoreTable:
		if strings.HasPrefix(a.Tool, "ip6") {
			return 6, true
		}
		return 4, true
	case plan.SetJumps:
		return a.Family, true
	case plan.DeleteTable:
		return a.Family, true
	}
	return 0, false
}

// Unwrap returns the tool's own error.
func (e *StepError) Unwrap() error { return e.Err }

// Run makes the kernel as the plan says. After an error it is as it was
// before, unless the error says that going back failed too.
func (k *Kernel) Run(ctx context.Context, p plan.Plan) error {
	err := k.run(ctx, p)
	if err == nil {
		k.generation += transactions(p)
	}
	return err
}

// transactions counts the transactions of nftables that the plan takes.
func transactions(p plan.Plan) uint32 {
	n := uint32(0)
	for _, s := range slices.Concat(p.Prepare, p.Steps, p.Cleanup) {
		switch s.Action.(type) {
		case plan.RestoreTable, plan.DeleteTable, plan.DeleteChains, plan.SetJumps, plan.EditTable:
			n++
		}
	}
	return n
}

// Holds reports whether the kernel holds the state, which Run has come to after the
// last Observe: no other program has written to nftables since, and the sets are as they
// should be. The rules are not read for that. False: it is not so, or only Observe
// can tell (legacy).
func (k *Kernel) Holds(_ context.Context, s backend.State) (bool, error) {
	now, err := generation(s.Variant)
	if err != nil || now == 0 || now != k.generation {
		return false, err
	}
	other, err := changed(s, dumpSets, k.membersChanged)
	return !other, err
}

func (k *Kernel) run(ctx context.Context, p plan.Plan) error {
	for _, s := range p.Prepare {
		if err := k.step(ctx, s); err != nil {
			return errors.Join(err, k.all(ctx, p.Cleanup))
		}
	}
	if err := k.together(ctx, p.Checks); err != nil {
		return errors.Join(err, k.all(ctx, p.Cleanup))
	}
	for steps := p.Steps; len(steps) > 0; {
		n := 1
		for n < len(steps) && steps[n].Beside {
			n++
		}
		err := k.atOnce(ctx, steps[:n])
		steps = steps[n:]
		if err == nil {
			continue
		}
		// Going back must not be given up because the caller was.
		if back := k.all(context.WithoutCancel(ctx), p.Rollback); back != nil {
			return errors.Join(err, fmt.Errorf("%w: %w", plan.ErrNotUndone, back))
		}
		var se *StepError
		if errors.As(err, &se) {
			se.RolledBack = true
		}
		return err
	}
	if err := k.all(ctx, p.Cleanup); err != nil {
		k.log.Debug("old sets are left for the next change", "error", err)
	}
	return nil
}

// all runs every step, whatever becomes of the others.
func (k *Kernel) all(ctx context.Context, steps []plan.Step) error {
	var errs []error
	for _, s := range steps {
		if err := k.step(ctx, s); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) step(ctx context.Context, s plan.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	do := k.runner(s)
	if do == nil {
		return fmt.Errorf("%s: no runner for %T", s.Why, s.Action)
	}
	if err := do(ctx); err != nil && (!s.MayFail || ctx.Err() != nil) {
		return err
	}
	return nil
}

// runner returns what does the step, and nil for an unknown action.
func (k *Kernel) runner(s plan.Step) func(context.Context) error {
	switch a := s.Action.(type) {
	case plan.RestoreTable, plan.RestoreSets:
		return func(ctx context.Context) error { return k.beginStep(ctx, s)() }
	case plan.EditSets:
		return func(ctx context.Context) error { return k.editSets(ctx, s, a) }
	case plan.DeleteTable:
		return func(context.Context) error { return DeleteEmptyTable(a.Family, a.Table) }
	case plan.DeleteChains:
		return func(context.Context) error { return DeleteEmptyChains(a.Family, a.Table, a.Chains) }
	case plan.SetJumps:
		return func(ctx context.Context) error { return k.setJumps(ctx, a) }
	case plan.EditTable:
		return func(context.Context) error { return k.editTable(s, a) }
	case plan.Settle:
		return settle
	}
	return nil
}

// beginStep starts the program of a step, if it has one, and returns what waits for it.
func (k *Kernel) beginStep(ctx context.Context, s plan.Step) (end func() error) {
	argv := argvOf(s.Action)
	if argv == nil {
		return func() error { return k.step(ctx, s) }
	}
	r := k.begin(ctx, argv, s.Script().Body)
	return func() error {
		out, err := r.end()
		if err != nil {
			return refused(s, out, err)
		}
		return nil
	}
}

// argvOf returns the command of an action that a program does, and nil for the others.
func argvOf(a plan.Action) []string {
	switch a := a.(type) {
	case plan.RestoreTable:
		return a.Argv()
	case plan.RestoreSets:
		return a.Argv()
	}
	return nil
}

// atOnce runs steps that may run beside each other, to their end even if one of
// them fails, and returns the error of the first that did.
func (k *Kernel) atOnce(ctx context.Context, steps []plan.Step) error {
	if len(steps) == 1 {
		return k.step(ctx, steps[0])
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return k.together(ctx, steps)
}

// settleTime is how long plan.Settle waits: many times what docker-proxy takes
// from accepting a connection to dialling the container.
const settleTime = 200 * time.Millisecond

func settle(ctx context.Context) error {
	select {
	case <-time.After(settleTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// together starts the programs of all steps at once, waits for them, and returns the
// error of the first step that was rejected.
func (k *Kernel) together(ctx context.Context, steps []plan.Step) error {
	var ends []func() error
	for _, s := range steps {
		ends = append(ends, k.beginStep(ctx, s))
	}
	var first error
	for _, end := range ends {
		if err := end(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// refused is the error of a step whose program failed.
func refused(s plan.Step, out output, err error) *StepError {
	script := s.Script()
	se := &StepError{Step: s, Err: err, Line: failedLine(out.stderr)}
	if ls := strings.Split(script.Body, "\n"); se.Line > 0 && se.Line <= len(ls) && ls[se.Line-1] != "COMMIT" {
		se.Text, se.Origin = ls[se.Line-1], script.Origin(se.Line)
	}
	return se
}

// failedLines is how the tools name the line they stopped at:
// "iptables-restore: line 12 failed", "Error occurred at line: 12",
// "line 12: RULE_APPEND failed (…)", "ipset v7.17: Error in line 3: …".
var failedLines = regexp.MustCompile(`(?i)(?:at |in )?line:? (\d+)`)

func failedLine(stderr string) int {
	m := failedLines.FindStringSubmatch(stderr)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// RemoveAll takes every owned chain, rule, jump and set away, in both variants,
// the latch of a killed agent, the table of the bridges and the barrier, and reports
// whether there was any. Sets go after the rules of both variants, which use them.
func (k *Kernel) RemoveAll(ctx context.Context) (changed bool, err error) {
	var errs []error
	remove := func(st backend.State) error {
		p := backend.Remove(st)
		changed = changed || !p.Empty()
		return k.Run(ctx, p)
	}
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		if k.usable(v) != nil {
			continue
		}
		st, err := k.observeTables(ctx, v)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, remove(st))
	}
	table, err := k.policy.remove()
	errs = append(errs, err)
	latch, err := RemoveLatch()
	changed = changed || latch || table
	errs = append(errs, err)
	sets, err := k.removeSets(ctx)
	changed = changed || sets
	errs = append(errs, err)
	there, err := removeBarrier()
	errs = append(errs, err)
	framed, err := k.Frames().Remove()
	errs = append(errs, err)
	return changed || there || framed, errors.Join(errs...)
}

const (
	busyTries = 20
	busyPause = 50 * time.Millisecond
)

// busy reports whether a set is still in use. Older kernels (Debian 11's 5.10 among them)
// let go of a deleted nftables rule's sets some time after they have answered that it
// is gone.
func busy(err error) bool { return errors.Is(err, nl.IPSetError(nl.IPSET_ERR_BUSY)) }

// again does what may fail for a moment, with a pause between the tries, for as long
// as its error is worth another.
func again(ctx context.Context, tries int, pause time.Duration, worth func(error) bool, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == tries || !worth(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// RemoveOther takes owned traces out of the backends that are not in use, where an earlier
// run may have left them, and the latch of an agent that was killed: it asks for the stamps
// of that agent's rules. Sets, which both variants of iptables share, stay if one of them
// is in use.
func (k *Kernel) RemoveOther(ctx context.Context, inUse string) error {
	if _, err := RemoveLatch(); err != nil {
		return err
	}
	if inUse == native.Name {
		if err := k.policy.takeOver(); err != nil {
			return err
		}
	} else if removed, err := k.policy.remove(); err != nil {
		return err
	} else if removed {
		k.log.Info("removed dockwall's nftables table, which iptables' rules replace")
	}
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		if string(v) == inUse || k.usable(v) != nil {
			continue
		}
		if may, err := k.mayHold(v); err != nil {
			return err
		} else if !may {
			continue
		}
		st, err := k.observeTables(ctx, v)
		if err != nil {
			return err
		}
		if p := backend.Remove(st); !p.Empty() {
			k.log.Info("taking dockwall's rules out of the backend that is not in use", "backend", string(v))
			if err := k.Run(ctx, p); err != nil {
				return err
			}
		}
	}
	if inUse != native.Name {
		return nil
	}
	_, err := k.removeSets(ctx)
	return err
}

// mayHold reports whether the variant may hold rules of dockwall's. It starts no process.
func (k *programs) mayHold(v backend.Variant) (bool, error) {
	for _, f := range []backend.Family{backend.V4, backend.V6} {
		if v == backend.Legacy {
			if names, err := k.legacyNames(f); len(names) > 0 || err != nil {
				return true, err
			}
			continue
		}
		for _, table := range ownTables {
			// A rule of dockwall's in a chain of another program leads to a chain of its own.
			names, err := hostnet.NFTChains(int(f), table)
			if err != nil || slices.ContainsFunc(names, backend.Owned) {
				return true, err
			}
		}
	}
	return false, nil
}

// removeSets removes ipset's sets, once no rule looks at them.
func (k *Kernel) removeSets(ctx context.Context) (changed bool, err error) {
	err = again(ctx, busyTries, busyPause, busy, func() error {
		sets, err := k.sets()
		if err != nil {
			return err
		}
		p := backend.Remove(backend.State{Variant: backend.NFT, Sets: sets})
		changed = changed || !p.Empty()
		return k.Run(ctx, p)
	})
	return changed, err
}
