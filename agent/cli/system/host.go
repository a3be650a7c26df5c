package system

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"dockwall/agent/audit"
	"dockwall/agent/cli/ask"
	"dockwall/agent/config"
	"dockwall/agent/cutter"
	"dockwall/agent/enforce"
	"dockwall/agent/facts"
	"dockwall/agent/kernel"
	"dockwall/agent/sandbox"
	"dockwall/agent/saved"
	"dockwall/agent/tls/systemctl"
	"dockwall/agent/trial"
	"dockwall/netinfo/docker"
	"dockwall/netinfo/hostnet"
	"dockwall/netinfo/hostnet/unitfile"
	"dockwall/rules"
	"dockwall/rules/finding"
)

// Env is the environment of this process, and the host that it runs on.
func Env(version string) ask.Env {
	log := ask.Logger(os.Stderr)
	runner := kernel.New(log)
	frames := runner.Frames()
	files := saved.New()
	return ask.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv:     os.Getenv,
		IsTerminal: isTerminal,
		Secret:     secret(),
		EUID:       os.Geteuid(),
		Now:        time.Now,
		Version:    version,
		Meaning:    ask.Mean,

		RulesOnDisk: files.Findings, SavedSets: savedSets(files, runner),
		Host: ask.Host{Facts: facts.Once, Saved: facts.Saved, Kernel: runner.Backends(), Translations: runner.Translations, Peers: hostnet.Peers, Audit: audit.Gather, Image: savedImage,
			Bridges: func(socket string) ask.Bridges { return runner.Bridges(kernel.SwitchedPath(socket)) },
			Frames:  frames, Lacks: func() []finding.Finding { return lacks(frames) }, Latch: runner.Latch(),
			Cutter: cutting{cutter.New(log).With(&kernel.Barrier{})},
			Docker: systemctl.Docker{},
			State:  facts.StateDir, Clock: trial.SystemClock(), Await: await, Session: session, Refused: refused},
	}
}

// engineBegins is how long the engine may take to begin with an image.
const engineBegins = 30 * time.Second

func savedImage(ctx context.Context, host, name string) (io.ReadCloser, error) {
	return docker.Save(ctx, host, engineBegins, name)
}

// lacks finds what the kernel has no support for. Without root it is not known.
func lacks(frames *kernel.Frames) []finding.Finding {
	if errors.Is(frames.Able(), rules.ErrNoFrames) {
		return []finding.Finding{enforce.NoFrames()}
	}
	return nil
}

// refused asks the unit, if it is installed, about what the service reads: agent.hcl in
// its folder, or a file beside it that is to be tried. A draft elsewhere is not its own.
func refused(file string, files []string) ([]sandbox.Refusal, error) {
	path, err := filepath.Abs(file)
	if err != nil || filepath.Dir(path) != filepath.Dir(ask.DefaultConfig) {
		return nil, err
	}
	u, err := sandbox.Read(unitfile.Folders())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return u.Refusals(files, config.Way), nil
}

// cutting is the cutter of a process that ends when it has cut.
type cutting struct{ *cutter.Cutter }

// Finish ends what was asked for, and returns how many connections that were.
func (c cutting) Finish(ctx context.Context) (int, error) {
	r, err := c.Cutter.Finish(ctx)
	return r.Forwarded + r.Received + r.Sockets + r.Seeded, err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// secret asks on this process's terminal; nil if there is none.
func secret() func(prompt string) ([]byte, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return nil
	}
	return func(prompt string) ([]byte, error) {
		if _, err := io.WriteString(os.Stderr, prompt); err != nil {
			return nil, err
		}
		typed, err := term.ReadPassword(in)
		_, _ = io.WriteString(os.Stderr, "\n")
		return typed, err
	}
}
