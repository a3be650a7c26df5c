package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"dockwall/agent/durable"
	"dockwall/netinfo/hostnet"
)

// SwitchedPath is the file that keeps which bridges were switched: beside the
// control socket, on a file system that a reboot empties, as it does the bridges.
func SwitchedPath(socket string) string { return filepath.Join(filepath.Dir(socket), "bridges.json") }

// switched is a bridge that was switched, and which of its switches were off
// before that.
type switched struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	V4    bool   `json:"v4,omitempty"`
	V6    bool   `json:"v6,omitempty"`
}

func (s switched) is(br hostnet.Bridge) bool { return s.Index == br.Index && s.Name == br.Name }

// keep adds bridges that are about to be switched to the file, and leaves out of
// it those that are gone.
func (b *Bridges) keep(there, off []hostnet.Bridge) error {
	before, err := b.kept()
	if err != nil {
		b.kernel.log.Warn("which bridges were switched before is not known", "error", err)
	}
	all := onlyThere(before, there)
	for _, br := range off {
		i := slices.IndexFunc(all, func(s switched) bool { return s.is(br) })
		if i < 0 {
			all, i = append(all, switched{Index: br.Index, Name: br.Name}), len(all)
		}
		// A switch that dockwall switched and another program switched off again
		// was off before.
		all[i].V4, all[i].V6 = all[i].V4 || !br.Call4, all[i].V6 || !br.Call6
	}
	return b.write(all)
}

func onlyThere(all []switched, there []hostnet.Bridge) []switched {
	return slices.DeleteFunc(all, func(s switched) bool { return !slices.ContainsFunc(there, s.is) })
}

// takeBack switches off what was switched, except on bridges that are still
// wanted.
func (b *Bridges) takeBack(wanted func(bridge string) bool) (changed bool, err error) {
	all, err := b.kept()
	if err != nil || len(all) == 0 {
		return false, err
	}
	there, err := hostnet.Bridges()
	if err != nil {
		return false, err
	}
	all = onlyThere(all, there)
	var rest []switched
	var errs []error
	for _, s := range all {
		if wanted != nil && wanted(s.Name) {
			rest = append(rest, s)
			continue
		}
		br := there[slices.IndexFunc(there, s.is)]
		changed = true
		if err := setCall(s.Index, s.Name, br.Call4 && !s.V4, br.Call6 && !s.V6); err != nil {
			rest, errs = append(rest, s), append(errs, err)
		}
	}
	if changed || len(rest) == 0 {
		errs = append(errs, b.write(rest))
	}
	return changed, errors.Join(errs...)
}

// kept reads the file; without one nothing was switched.
func (b *Bridges) kept() ([]switched, error) {
	text, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []switched
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading which bridges were switched: %s: %w", b.path, err)
	}
	return all, nil
}

// write replaces the file. If no bridge is left there is none.
func (b *Bridges) write(all []switched) error {
	if len(all) == 0 {
		if err := durable.Remove(b.path); err != nil {
			return fmt.Errorf("keeping which bridges were switched: %w", err)
		}
		return nil
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(b.path), 0o755)
	}
	if err == nil {
		err = durable.Replace(b.path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping which bridges were switched: %w", err)
	}
	return nil
}
