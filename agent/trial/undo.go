package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"dockwall/agent/enforce"
	"dockwall/agent/reconcile"
	"dockwall/rules/plan"
)

// Undo is a trial without agentd: how to bring the kernel back, and the process
// that waits to do so.
type Undo struct {
	FormatVersion int `json:"format_version"`
	// ID distinguishes this trial from another one at the same place.
	ID       string   `json:"id"`
	File     string   `json:"file"`
	Deadline Deadline `json:"deadline"`
	// Rest is what is left to do if the trial is confirmed.
	Rest enforce.Rest `json:"rest"`
	// Steps lead back, the last change first; see plan.Plan.Rollback.
	Steps []plan.Step `json:"steps"`
	// Waiting is the process that goes back at the deadline.
	Waiting Process `json:"waiting"`
}

// UndoPath is where it is kept: beside the control socket, on a file system
// that a reboot empties as it empties the kernel.
func UndoPath(socket string) string { return filepath.Join(filepath.Dir(socket), "trial-undo.json") }

// ReadUndo reads it; nil if there is no trial.
func ReadUndo(path string) (*Undo, error) {
	var u Undo
	ok, err := load(path, &u)
	if !ok {
		return nil, err
	}
	return &u, nil
}

// Write keeps it.
func (u *Undo) Write(path string) error {
	u.FormatVersion = formatVersion
	return save(path, u)
}

// ForgetUndo ends the trial without going back.
func ForgetUndo(path string) error { return forget(path) }

// Status is how it stands.
func (u *Undo) Status(c Clock) reconcile.Trial {
	return reconcile.Trial{State: reconcile.TrialPending, File: u.File, Deadline: u.Deadline.At(c)}
}

// EndUndo ends the trial, if there is one, without going back: another program takes
// the kernel over. It waits for a process that is changing it.
func EndUndo(path string) (*Undo, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	release, err := LockUndo(path)
	if err != nil {
		return nil, err
	}
	defer release()
	u, err := ReadUndo(path)
	return u, errors.Join(err, ForgetUndo(path))
}

// LockUndo waits until no other process changes the trial, and keeps others from it
// until release is called or the process ends.
func LockUndo(path string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of trials: %w", err)
	}
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the trial: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the trial: %w", err), f.Close())
	}
	// Closing gives the lock back.
	return func() { _ = f.Close() }, nil
}
