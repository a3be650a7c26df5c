package enforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"dockwall/agent/durable"
	"dockwall/rules"
)

// limits is the file that keeps which kinds of rules this host lacks, as the last
// pass of agentd or of agentctl apply found out. diff, which may not try, goes by it.
type limits struct {
	Without []rules.VerdictKind `json:"without"`
}

// LimitsPath is where limits are kept: beside the control socket, on a file system
// that a reboot empties. A reboot may bring another kernel.
func LimitsPath(socket string) string { return filepath.Join(filepath.Dir(socket), "limits.json") }

// keepLimits writes what this host lacks. The rules are in force whether or not that
// succeeds.
func (t *writer) keepLimits() {
	if t.o.Limits == "" {
		return
	}
	if before, err := Limits(t.o.Limits); err == nil && slices.Equal(before, t.belief.without) {
		return
	}
	if err := saveLimits(t.o.Limits, t.belief.without); err != nil {
		t.o.Log.Warn("agentctl diff will show rules that this host does not take", "error", err)
	}
}

// Recall takes over what the last pass on this host found out, for Compare.
func (t *writer) Recall() error {
	if t.o.Limits == "" {
		return nil
	}
	without, err := Limits(t.o.Limits)
	if err != nil {
		return err
	}
	t.belief.without = without
	return nil
}

// ForgetLimits removes the file.
func ForgetLimits(path string) error { return saveLimits(path, nil) }

// Limits are the kinds of rules that this host lacks, as kept in the file; without
// one it lacks nothing.
func Limits(path string) ([]rules.VerdictKind, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var l limits
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		return nil, fmt.Errorf("reading which rules this host does not take: %w", err)
	}
	// The file may be of another version, or anybody's: only these can be left out.
	return slices.DeleteFunc(l.Without, func(k rules.VerdictKind) bool { return !k.GoesOn() }), nil
}

// saveLimits replaces the file. There is none if the host lacks nothing.
func saveLimits(path string, without []rules.VerdictKind) error {
	if len(without) == 0 {
		if err := durable.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keeping which rules this host does not take: %w", err)
		}
		return nil
	}
	text, err := json.Marshal(limits{without})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = durable.Replace(path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keeping which rules this host does not take: %w", err)
	}
	return nil
}
