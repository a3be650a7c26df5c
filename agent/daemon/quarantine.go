package daemon

import (
	"path/filepath"

	"dockwall/agent/lastgood"
	"dockwall/netinfo"
)

// released is the file that keeps which containers were released from quarantine. It is
// where the last good policy is.
func (a *agent) released() string {
	return filepath.Join(lastgood.Dir(a.options.State, a.socket.Path()), "released.json")
}

// judged is the loop's snapshot with what the audit found of containers, for a file with a
// quarantine block that is not in force yet.
func (a *agent) judged() netinfo.Snapshot {
	s := a.loop.Snapshot()
	a.watch.Judge(&s)
	return s
}
