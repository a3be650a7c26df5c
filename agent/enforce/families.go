package enforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

const (
	// firstFamilyRetry is when a family that could not be written is tried again at the
	// earliest, and lastFamilyRetry the longest pause between two tries.
	firstFamilyRetry = time.Second
	lastFamilyRetry  = 30 * time.Second
	// familyFailures is how many passes in a row fail in one family before it is left out,
	// and familyPatience how long they go on failing if it was in force before. One
	// failure may be another program that writes at the same moment, and what is left out
	// is open until the next try.
	familyFailures = 3
	familyPatience = 5 * time.Second
)

// suspectedFamily is a family in which passes have failed since a moment.
type suspectedFamily struct {
	family, failures int
	since            time.Time
}

// persists counts a failure in the family, and reports whether it has failed long enough to
// be left out.
func (c *choice) persists(family int, now time.Time) bool {
	s := &c.suspected
	if s.family != family {
		*s = suspectedFamily{family: family, since: now}
	}
	s.failures++
	return s.failures >= familyFailures && (!c.whole || now.Sub(s.since) >= familyPatience)
}

// failedFamily is a family that could not be read or written, though its tools are there.
type failedFamily struct {
	family int // 4 or 6; 0 if there is none
	why    string
	// retry is the pause before the next try, which is due at.
	retry time.Duration
	due   time.Time
}

// bringEach brings the kernel to the ruleset. If that fails in one family of addresses,
// the other is brought to it alone: a host without working ip6tables enforces IPv4.
func (t *Target) bringEach(ctx context.Context, rs rules.Ruleset, look bool, r *Result) error {
	err := t.bring(ctx, rs, look, r)
	if err != nil {
		return t.bringOther(ctx, rs, err, r)
	}
	f := t.backend.failed
	if f.family == 0 {
		t.backend.suspected, t.backend.whole = suspectedFamily{}, t.backend.chosen.Limits().LeftOut == 0
	}
	if f.family == 0 || !look || time.Now().Before(f.due) {
		return nil
	}
	// The other family is in force. This one is tried again.
	t.backend.failed.family = 0
	if err := t.rechoose(ctx); err != nil {
		return err
	}
	if err := t.bring(ctx, rs, true, r); err != nil {
		return t.bringOther(ctx, rs, err, r)
	}
	t.o.Log.Info(fmt.Sprintf("IPv%d is enforced again", f.family))
	t.backend.failed, t.backend.suspected, t.backend.whole = failedFamily{}, suspectedFamily{}, true
	return nil
}

// bringOther brings the other family to the ruleset after a pass over both has failed in
// one. It returns the pass's error if that is about no family alone, and leaves none out.
func (t *Target) bringOther(ctx context.Context, rs rules.Ruleset, failed error, r *Result) error {
	first := t.backend.failed.retry == 0
	if !t.leaveOut(ctx, failed) {
		return failed
	}
	if err := t.bring(ctx, rs, true, r); err != nil {
		t.backend.failed = failedFamily{} // it is about no family alone
		return errors.Join(failed, err, t.rechoose(ctx))
	}
	if first && !t.o.Once {
		t.o.Log.Error(fmt.Sprintf("IPv%d cannot be enforced; the other family of addresses is", t.backend.failed.family), "error", failed)
	}
	return nil
}

// leaveOut has the next passes do without the family that the error is about; false if it
// is about none, or the other one is left out already.
func (t *Target) leaveOut(ctx context.Context, failed error) bool {
	family, ok := plan.FailedFamily(failed)
	var before *beforeError
	if !ok || t.backend.chosen == nil || t.backend.chosen.Limits().LeftOut != 0 || CodeOf(failed) == finding.ContestedRules || errors.As(failed, &before) || ctx.Err() != nil {
		return false
	}
	f := &t.backend.failed
	if f.retry == 0 && !t.o.Once && !t.backend.persists(family, time.Now()) {
		return false
	}
	f.retry = min(max(firstFamilyRetry, 2*f.retry), lastFamilyRetry)
	f.family, f.why, f.due = family, failed.Error(), time.Now().Add(f.retry)
	t.prepared = nil
	return t.rechoose(ctx) == nil
}

// rechoose chooses how to write, and has the kernel read again.
func (t *writer) rechoose(ctx context.Context) error {
	t.backend.chosen = nil
	return t.choose(ctx, false)
}

// LeftOut is the finding about a family that this host has and that is not enforced; false
// if there is none.
func (t *writer) LeftOut() (finding.Finding, bool) {
	if t.backend.last == nil {
		return finding.Finding{}, false
	}
	l := t.backend.last.Limits()
	if l.LeftOut == 0 || !speaks(t.snapshot.Links, l.LeftOut) {
		return finding.Finding{}, false
	}
	return finding.New(finding.Family, fmt.Sprintf("IPv%d is not enforced: packets of IPv%d meet no rule, or those of before, and reach every port that Docker publishes. IPv%d is enforced. What failed: %s",
		l.LeftOut, l.LeftOut, 10-l.LeftOut, l.Why)), true
}

// speaks reports whether a link has an address of the family, other than loopback ones. On a
// host whose IPv6 is disabled none has.
func speaks(links []netinfo.Link, family int) bool {
	return slices.ContainsFunc(links, func(l netinfo.Link) bool {
		for _, p := range l.Addrs {
			if p.Addr().Is4() == (family == 4) && !p.Addr().IsLoopback() {
				return true
			}
		}
		return false
	})
}
