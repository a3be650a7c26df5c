package ask

import (
	"context"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/audit"
	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/agent/sandbox"
	"dockwall/agent/tls/unit"
	"dockwall/agent/trial"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/netinfo/inventory"
	"dockwall/rules/backend"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

// Host is the machine that the command looks at and writes to.
type Host struct {
	// Facts reads the host's facts; see facts.Once.
	Facts func(ctx context.Context, s config.Settings, limit time.Duration, progress func(read, all int), log hclog.Logger) (netinfo.Snapshot, error)
	// Saved reads them without asking Docker; see facts.Saved.
	Saved func(s config.Settings, log hclog.Logger) (netinfo.Snapshot, error)
	// Kernel is the host's netfilter.
	Kernel Kernel
	// Translations reads the nat rules of other programs; nil if there are none.
	Translations func(ctx context.Context) ([]netinfo.Translation, error)
	// Peers are the hosts connected to these TCP ports; see hostnet.Peers.
	Peers func(ports []uint16) ([]hostnet.Peer, error)
	// Bridges returns the host's bridges, by the control socket: beside it a file keeps
	// which of them were switched.
	Bridges func(socket string) Bridges
	// Frames is the table of the bridges; nil if it is left alone.
	Frames enforce.Frames
	// Lacks finds what this host's kernel lacks, as far as it can be asked without a
	// change; nil if it is not asked.
	Lacks func() []finding.Finding
	// Latch is what an agent may have left; nil if nothing can have been left.
	Latch enforce.Latch
	// Cutter ends connections; nil if they live on.
	Cutter Cutter
	// Audit reads what an audit is decided by; see audit.Gather.
	Audit func(ctx context.Context, o audit.Options) inventory.Inventory
	// Image is the archive of an image that the engine at host has; see docker.Save.
	Image func(ctx context.Context, host, name string) (io.ReadCloser, error)
	// Docker is docker.service.
	Docker Docker
	// State is the folder where agentd keeps what outlives a reboot; empty if
	// there is none.
	State string
	Clock trial.Clock
	// Refused returns which of the files that an agent.hcl is made of the service cannot
	// read in its sandbox; nil if it is not asked.
	Refused func(config string, files []string) ([]sandbox.Refusal, error)
	// Await starts a process of its own, which outlives this one and its
	// terminal, and waits there for the confirmation of the trial at path.
	Await func(path, id string) (trial.Process, error)
	// Session is the SSH_CONNECTION of the session that this is typed in, also
	// where sudo has dropped it; empty if no SSH.
	Session func() string
}

// Kernel is how the host's rules and sets are read and written.
type Kernel interface {
	enforce.Kernel
	enforce.Prober
	enforce.Chooser
	// Assumed is the backend to write with where the kernel cannot be asked.
	Assumed(w backend.Wish) backend.Backend
	// RemoveAll removes every trace of dockwall's, and reports whether there was any.
	RemoveAll(ctx context.Context) (changed bool, err error)
}

// Cutter ends connections that a policy no longer allows.
type Cutter interface {
	enforce.Cutter
	enforce.FirstCutter
	// Finish ends what was asked for, and returns how many connections that were.
	Finish(ctx context.Context) (cut int, err error)
}

// Docker is the host's docker.service; see agent/tls/systemctl.
type Docker interface {
	Look(ctx context.Context) (unit.Host, error)
	Validate(ctx context.Context, p unit.Plan) (checked bool, err error)
	Install(ctx context.Context, p unit.Plan) error
	Uninstall(ctx context.Context) (removed bool, err error)
	Restart(ctx context.Context) error
}

// Bridges are the host's bridges.
type Bridges interface {
	enforce.Bridges
	// TakeBack switches all of them back, and reports whether any was switched.
	TakeBack() (changed bool, err error)
}

// Target is the host's kernel, for a command that ends after a pass. A trial leaves
// what cannot be taken back to its confirmation, and has before called with each plan.
func (a *App) Target(s config.Settings, onTrial func(plan.Plan) error) *enforce.Target {
	h, socket := a.Env.Host, a.SocketFor(s)
	o := enforce.Options{Log: a.Logger(), Kernel: h.Kernel, Prober: h.Kernel, Chooser: h.Kernel, Bridges: h.Bridges(socket), Frames: h.Frames,
		Latch: h.Latch, Limits: enforce.LimitsPath(socket), Once: true, Trial: onTrial != nil, Before: onTrial}
	if h.Cutter != nil {
		o.Cutter = h.Cutter
	}
	return enforce.New(o)
}

// Logger is for what the packages below have to say to the person.
func (a *App) Logger() hclog.Logger { return Logger(a.Env.Stderr) }

// Logger writes warnings and errors for a person.
func Logger(w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: w, Level: hclog.Warn, DisableTime: true})
}
