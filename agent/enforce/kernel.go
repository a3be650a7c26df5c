package enforce

import (
	"context"
	"net/netip"

	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/plan"
)

// Kernel reads and writes rules and sets.
type Kernel interface {
	// Observe reads what the kernel holds in the backend's language.
	Observe(ctx context.Context, b backend.Backend) (backend.State, error)
	// Run runs a plan. After an error the kernel is as it was.
	Run(ctx context.Context, p plan.Plan) error
}

// Prober looks at the kernel without reading rules, and starts no process.
type Prober interface {
	// Probe reports whether something changed of which the kernel sends no event, or
	// with all, which takes longer, anything.
	Probe(ctx context.Context, s backend.State, all bool) (changed bool, err error)
	// Holds reports whether the kernel holds the state to which Run came after the
	// last Observe. False: it does not, or only Observe can tell.
	Holds(ctx context.Context, s backend.State) (bool, error)
}

// Chooser chooses how to write.
type Chooser interface {
	// Choose returns the backend to write with on this host.
	Choose(ctx context.Context, w backend.Wish) (backend.Backend, error)
	// RemoveOther removes dockwall's rules from all backends except the one of this
	// name, and the latch of an agent that was killed.
	RemoveOther(ctx context.Context, inUse string) error
}

// Bridges has the kernel show traffic between two ports of a bridge to the rules.
type Bridges interface {
	// Show does so for the bridges of which isolated reports true: for none if it is nil. An
	// error says why bridged packets do not meet the rules.
	Show(isolated func(bridge string) bool) error
	// Settle takes that back for all others.
	Settle() error
}

// Switcher is Bridges that also tell what they would switch.
type Switcher interface {
	// Switches returns the bridges, by name, that Show would switch on, and Settle off.
	Switches(isolated func(bridge string) bool) (on, off []string, err error)
}

// Frames writes what the bridges let pass. With look it reads first what the
// kernel holds, and reports whether it had to be repaired. The error is
// rules.ErrNoFrames if the kernel cannot do it.
type Frames interface {
	Put(want rules.Frames, look bool) (repaired bool, err error)
}

// Latch drops, in a table of its own, packets that meet no rules because another
// program flushed them: see rules.Latch.
type Latch interface {
	// Shut has the latch know these, in one step.
	Shut(rules.Latch) error
	// Lift opens it.
	Lift() error
}

// Cutter ends connections that a ruleset in force does not allow. Ask does not
// wait for that.
type Cutter interface {
	Ask(rs rules.Ruleset, s netinfo.Snapshot)
}

// FirstCutter is a Cutter that also ends connections which a packet with a forged
// source may have opened while no rules were in force.
type FirstCutter interface {
	AskFirst(rs rules.Ruleset, s netinfo.Snapshot)
}

// ClaimCutter is a Cutter that also ends connections which a packet with a source in
// these prefixes may have opened before the rules refused such packets.
type ClaimCutter interface {
	AskClaimed(rs rules.Ruleset, s netinfo.Snapshot, ps []netip.Prefix)
}

// Reopener is a Cutter that keeps cut connections closed until a ruleset allows
// them.
type Reopener interface {
	// Closed reports whether anything is closed.
	Closed() bool
	AskReopen(rs rules.Ruleset, s netinfo.Snapshot)
}

// Options are the parts that a Target works with.
type Options struct {
	Log     hclog.Logger
	Kernel  Kernel
	Prober  Prober
	Chooser Chooser
	// Bridges is nil if isolation between containers of one network is not looked
	// after.
	Bridges Bridges
	// Frames is nil if the table of the bridges is not looked after.
	Frames Frames
	// Latch is nil if no latch is to be shut.
	Latch Latch
	// Cutter is asked after each change that may have tightened something. If it is
	// nil, connections live on.
	Cutter Cutter
	// Before is called before each plan runs; its error keeps the plan from running. It
	// may be nil.
	Before func(plan.Plan) error
	// Limits is the file that keeps which kinds of rules the host lacks; empty if they
	// are not kept.
	Limits string
	// Trial: what cannot be taken back is left to Finish, see Rest.
	Trial bool
	// Once: the process ends after a pass. It trusts Prober.Holds instead of reading
	// its rules back, and leaves containers free to change bridge ports.
	Once bool
}
