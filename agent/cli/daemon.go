package cli

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

// askTimeout is for the daemon's answer: it has it at hand.
const askTimeout = 10 * time.Second

// daemon is the agentd that runs on this host.
type daemon struct {
	client *control.Client
	status reconcile.Status
}

// daemon asks the agent that listens on the socket for its state. The error is
// a *control.NotRunning where there is none.
func (a *app) daemon(ctx context.Context, socket string) (*daemon, error) {
	d := &daemon{client: control.NewClient(socket)}
	if err := d.refresh(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *daemon) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return d.client.Status(ctx, &d.status)
}

// running is daemon, but no daemon is no error.
func (a *app) running(ctx context.Context, socket string) (*daemon, error) {
	d, err := a.daemon(ctx, socket)
	var none *control.NotRunning
	if errors.As(err, &none) {
		return nil, nil
	}
	return d, err
}

// socketFor is the control socket by these settings.
func (a *app) socketFor(s config.Settings) string {
	if a.socket != "" {
		return a.socket
	}
	return s.Control.Socket
}

// anySocket is the control socket even if the file has errors, so that an operator
// can ask what is in force: what can be read of its control block counts.
func (a *app) anySocket() string {
	if a.socket != "" {
		return a.socket
	}
	doc, _ := config.Load(a.config)
	if doc != nil {
		return doc.Settings.Control.Socket
	}
	socket := cmp.Or(config.ControlSocket(a.config), defaultSocket)
	a.note("%s cannot be used (see agentctl check), so agentd is asked on %s; --socket names another", a.config, socket)
	return socket
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	fa, erra := os.Stat(a)
	fb, errb := os.Stat(b)
	if erra == nil && errb == nil {
		return os.SameFile(fa, fb)
	}
	return filepath.Clean(a) == filepath.Clean(b)
}
