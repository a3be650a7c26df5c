package ask

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/agent/reconcile"
)

// AskTimeout is for the daemon's answer: it has it at hand.
const AskTimeout = 10 * time.Second

// Daemon is the agentd that runs on this host.
type Daemon struct {
	Client *control.Client
	Status reconcile.Status
}

// Daemon asks the agent that listens on the socket for its state. The error is
// a *control.NotRunning where there is none.
func (a *App) Daemon(ctx context.Context, socket string) (*Daemon, error) {
	d := &Daemon{Client: control.NewClient(socket)}
	if err := d.Refresh(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// Refresh asks the daemon for its state again.
func (d *Daemon) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	return d.Client.Status(ctx, &d.Status)
}

// Running is daemon, but no daemon is no error.
func (a *App) Running(ctx context.Context, socket string) (*Daemon, error) {
	d, err := a.Daemon(ctx, socket)
	var none *control.NotRunning
	if errors.As(err, &none) {
		return nil, nil
	}
	return d, err
}

// SocketFor is the control socket by these settings.
func (a *App) SocketFor(s config.Settings) string {
	if a.Socket != "" {
		return a.Socket
	}
	return s.Control.Socket
}

// AnySocket is the control socket even if the file has errors, so that an operator
// can ask what is in force: what can be read of its control block counts.
func (a *App) AnySocket() string {
	if a.Socket != "" {
		return a.Socket
	}
	doc, _ := config.Load(a.Config)
	if doc != nil {
		return doc.Settings.Control.Socket
	}
	socket := cmp.Or(config.ControlSocket(a.Config), DefaultSocket)
	a.Note("%s cannot be used (see agentctl check), so agentd is asked on %s; --socket names another", a.Config, socket)
	return socket
}

// SameFile reports whether two paths lead to one file.
func SameFile(a, b string) bool {
	fa, erra := os.Stat(a)
	fb, errb := os.Stat(b)
	if erra == nil && errb == nil {
		return os.SameFile(fa, fb)
	}
	return filepath.Clean(a) == filepath.Clean(b)
}
