package cli

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/term"

	"dockwall/agent/config"
	"dockwall/agent/dataplane"
	"dockwall/agent/facts"
	"dockwall/agent/trial"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// Host is the machine that the command looks at and writes to.
type Host struct {
	// Facts reads the host's facts; see facts.Once.
	Facts func(ctx context.Context, s config.Settings, timeout time.Duration, log hclog.Logger) (netinfo.Snapshot, error)
	// Saved reads them without asking Docker; see facts.Saved.
	Saved  func(s config.Settings, log hclog.Logger) (netinfo.Snapshot, error)
	Seer   Seer
	Writer Writer
	// Peers are who is connected to these TCP ports; see hostnet.Peers.
	Peers func(ports []uint16) ([]hostnet.Peer, error)
	// Bridges returns the host's bridges; switched is the file that keeps which
	// of them were switched.
	Bridges func(switched string) Bridges
	// PutFrames makes the table of the bridges so.
	PutFrames func(rules.Frames) error
	// State is the folder where agentd keeps what outlives a reboot; empty:
	// there is none.
	State string
	Clock trial.Clock
	// Await starts a process of its own, which outlives this one and its
	// terminal, and waits there for the confirmation of the trial at path.
	Await func(path, id string) (trial.Process, error)
	// Session is the SSH_CONNECTION of the session that this is typed in, also
	// where sudo has dropped it; empty: no SSH.
	Session func() string
}

// Seer looks at the kernel and changes nothing.
type Seer interface {
	Detect(ctx context.Context, setting string) (iptables.Variant, error)
	Options(ctx context.Context, sets string, v iptables.Variant, engineVersion string) (iptables.Options, error)
	Observe(ctx context.Context, v iptables.Variant) (iptables.State, error)
	// Holds tells that the state, which was written by Run after the last Observe,
	// is what the kernel holds; false: not, or it takes another Observe to know.
	Holds(ctx context.Context, s iptables.State) (bool, error)
}

// Writer changes the kernel.
type Writer interface {
	Run(ctx context.Context, p plan.Plan) error
	RemoveOther(ctx context.Context, inUse iptables.Variant) error
	RemoveAll(ctx context.Context) (changed bool, err error)
}

// Bridges has the kernel show traffic between two ports of a bridge to the rules.
type Bridges interface {
	// Show does so for the bridges of which isolated reports true: for none if it is nil.
	Show(isolated func(bridge string) bool) error
	// Settle takes that back for all others, and TakeBack for all.
	Settle() error
	TakeBack() (changed bool, err error)
}

// System is the environment of this process.
func System(version string) Env {
	log := logger(os.Stderr)
	kernel := dataplane.New(log)
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv:     os.Getenv,
		IsTerminal: isTerminal,
		EUID:       os.Geteuid(),
		Now:        time.Now,
		Version:    version,
		Meaning:    Mean,
		Host: Host{Facts: facts.Once, Saved: facts.Saved, Seer: kernel, Writer: kernel, Peers: hostnet.Peers,
			Bridges: func(switched string) Bridges { return kernel.Bridges(switched) },
			PutFrames: func(f rules.Frames) error {
				_, err := kernel.Frames().Put(f, false)
				return err
			},
			State: facts.StateDir, Clock: trial.SystemClock(), Await: await, Session: session},
	}
}

// logger is for what the packages below have to say to the person.
func logger(w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: w, Level: hclog.Warn, DisableTime: true})
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
