package ask

import (
	"context"
	"fmt"
	"strings"
	"time"

	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/netinfo"
)

// How a command waits for a busy engine.
const (
	// lineEvery is how often the progress is printed where no person watches a terminal.
	lineEvery = 5 * time.Second
	// daemonEvery is how often an agentd that still reads containers is asked again.
	daemonEvery = 250 * time.Millisecond
)

// unread are the names of containers that Docker has listed and not described yet:
// what they publish is not known. One that is being started is not described before it
// runs, and publishes nothing until then.
func unread(s netinfo.Snapshot) []string {
	var names []string
	for i := range s.Containers {
		if c := &s.Containers[i]; c.Unread && c.State != "created" {
			names = append(names, c.Name)
		}
	}
	return names
}

// Incomplete is the error if a part of the containers is missing in a snapshot: rules
// made of it would close what these publish, and cut their connections.
type Incomplete struct {
	missing []string
	all     int
}

// Error says what is missing and what to do.
func (e *Incomplete) Error() string {
	list, more := e.missing[:min(3, len(e.missing))], ""
	if n := len(e.missing) - len(list); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("Docker is busy and has described only %d of %d containers: what %s%s publish is not known. Try again when Docker answers faster, or go on without them: agentctl snapshot, and then --snapshot",
		e.all-len(e.missing), e.all, strings.Join(list, ", "), more)
}

// Whole is an *incomplete unless the snapshot has all containers. An operator who named
// a file for the snapshot is only warned.
func (a *App) Whole(s netinfo.Snapshot, source FactSource) error {
	names := unread(s)
	if len(names) == 0 {
		return nil
	}
	err := &Incomplete{names, len(s.Containers)}
	if source == FromFile {
		a.Warn("%v", err)
		return nil
	}
	return err
}

// askDaemon asks the daemon for its facts, again while it reads containers and their
// number grows.
func (a *App) askDaemon(ctx context.Context, s config.Settings) (netinfo.Snapshot, error) {
	p := a.progress()
	defer p.end()
	client := control.NewClient(a.SocketFor(s))
	for before, at := -1, time.Now(); ; {
		asking, cancel := context.WithTimeout(ctx, AskTimeout)
		snap, err := client.Snapshot(asking)
		cancel()
		missing := len(unread(snap))
		if err != nil || missing == 0 {
			return snap, err
		}
		if missing != before {
			before, at = missing, time.Now()
		}
		if time.Since(at) >= factsTimeout {
			return snap, nil
		}
		p.show(len(snap.Containers)-missing, len(snap.Containers))
		select {
		case <-time.After(daemonEvery):
		case <-ctx.Done():
			return snap, context.Cause(ctx)
		}
	}
}

// hostFacts reads the facts from the host itself.
func (a *App) hostFacts(ctx context.Context, s config.Settings) (netinfo.Snapshot, error) {
	p := a.progress()
	defer p.end()
	snap, err := a.Env.Host.Facts(ctx, s, factsTimeout, p.show, a.Logger())
	if err != nil {
		return netinfo.Snapshot{}, fmt.Errorf("reading the host's facts: %w", err)
	}
	return snap, nil
}

// progress is the line on stderr that says how far Docker is. It is one line that is
// written over on a terminal, and a line from time to time elsewhere.
type progress struct {
	app      *App
	terminal bool
	last     time.Time
	width    int
}

func (a *App) progress() *progress {
	// Most answers take less than a second: nothing is shown then.
	return &progress{app: a, terminal: a.Env.IsTerminal(a.Env.Stderr), last: time.Now().Add(time.Second - lineEvery)}
}

func (p *progress) show(read, all int) {
	switch since := time.Since(p.last); {
	case since < lineEvery && (!p.terminal || p.width == 0):
		return
	case !p.terminal:
		p.last = time.Now()
		p.app.Note("Docker is busy: it has described %d of %d containers so far", read, all)
		return
	}
	line := fmt.Sprintf("Docker is busy: it has described %d of %d containers so far", read, all)
	p.width = max(p.width, len(line))
	fmt.Fprintf(p.app.Env.Stderr, "\r%-*s", p.width, line)
}

// end clears the line.
func (p *progress) end() {
	if p.width > 0 {
		fmt.Fprintf(p.app.Env.Stderr, "\r%*s\r", p.width, "")
	}
}
