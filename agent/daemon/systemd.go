package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"dockwall/agent/reconcile"
)

// systemd reports the agent's state to the service manager, if there is one.
type systemd struct {
	log     hclog.Logger
	version string
	// watchdog is how long systemd waits for a sign of life; 0 if it does not.
	watchdog time.Duration
	last     string
}

func newSystemd(log hclog.Logger, version string) *systemd {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("systemd's watchdog settings make no sense, and are ignored", "error", err)
	}
	return &systemd{log: log, version: version, watchdog: d}
}

func (s *systemd) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Debug("telling systemd", "error", err)
	}
}

// Passed is told of every pass by the loop itself, so it is the loop's own
// sign of life.
func (s *systemd) Passed(_ reconcile.Pass, st reconcile.Status) {
	if line := statusLine(st); line != s.last {
		s.last = line
		s.notify("STATUS=" + line)
	}
	if s.watchdog > 0 {
		s.notify(daemon.SdNotifyWatchdog)
	}
}

func statusLine(st reconcile.Status) string {
	s := fmt.Sprintf("%s; %d containers; generation %d", st.State, st.Containers, st.Generation)
	for _, r := range st.Reasons {
		s += "; " + string(r.Code)
	}
	return s
}

// run says when the kernel is as wanted for the first time, and then sees to
// it that the loop passes often enough for the watchdog.
func (s *systemd) run(ctx context.Context, l *reconcile.Loop) {
	select {
	case <-ctx.Done():
		return
	case <-l.Ready():
		s.log.Info("enforcing", "version", s.version)
		s.notify(daemon.SdNotifyReady)
	}
	if s.watchdog == 0 {
		return
	}
	tick := time.NewTicker(s.watchdog / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.Poke(reconcile.DueFacts, "a look for the watchdog")
		}
	}
}
