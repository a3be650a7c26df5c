package e2e_test

import (
	"iter"
	"syscall"

	"dockwall/test/lab"
)

// absence is a way in which the agent does not learn of what happens.
type absence struct{ leave, back func(*lab.Lab, *lab.Agent) }

// absences are those of these names: the agent waits for Docker, it is frozen, it is
// dead.
func absences(names ...string) iter.Seq2[string, absence] {
	all := map[string]absence{
		"docker hangs": {
			func(l *lab.Lab, _ *lab.Agent) { l.Host("pkill", "-STOP", "-x", "dockerd") },
			func(l *lab.Lab, _ *lab.Agent) { l.Host("pkill", "-CONT", "-x", "dockerd") },
		},
		"frozen": {
			func(_ *lab.Lab, a *lab.Agent) { a.Signal(syscall.SIGSTOP) },
			func(_ *lab.Lab, a *lab.Agent) { a.Signal(syscall.SIGCONT) },
		},
		"killed": {
			func(_ *lab.Lab, a *lab.Agent) { a.Kill() },
			func(l *lab.Lab, _ *lab.Agent) { l.LaunchAgentd().WaitState("enforcing") },
		},
	}
	return func(yield func(string, absence) bool) {
		for _, name := range names {
			if !yield(name, all[name]) {
				return
			}
		}
	}
}
