package system

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"dockwall/agent/cli/undo"
	"dockwall/agent/trial"
)

// await starts the process that waits, in a session of its own and without a
// terminal, so that nothing of what becomes of ours reaches it.
func await(path, id string) (trial.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return trial.Process{}, fmt.Errorf("finding this program: %w", err)
	}
	nothing, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return trial.Process{}, err
	}
	defer nothing.Close()
	p, err := os.StartProcess(self, []string{"agentctl", undo.AwaitVerb, "--path", path, "--id", id}, &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{nothing, nothing, nothing}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return trial.Process{}, fmt.Errorf("starting the process that goes back: %w", err)
	}
	waiting, err := trial.ProcessOf(p.Pid)
	return waiting, errors.Join(err, p.Release())
}
