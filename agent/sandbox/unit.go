package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"dockwall/netinfo/hostnet/unitfile"
)

// Name is the service's.
const Name = "dockwall.service"

// Unit is what matters here of the unit.
type Unit struct {
	// HidesHome reports whether /home, /root and /run/user are empty for the service.
	HidesHome bool
	// SealsHome reports whether nothing can be bound below them either.
	SealsHome bool
	// OwnTmp reports whether it has a /tmp and /var/tmp of its own.
	OwnTmp bool
	// Overrides reports whether it may read files whatever their permissions are.
	Overrides bool
	// Shown are the paths that are bound into its view, and seen although others beside
	// them are hidden.
	Shown []string
	// bounded reports whether a bounding set was assigned.
	bounded bool
}

// Read reads the unit and its drop-ins from these folders. The error is fs.ErrNotExist
// if it is not installed.
func Read(folders []string) (Unit, error) {
	files, err := unitFiles(folders)
	if err != nil {
		return Unit{}, err
	}
	u := Unit{Overrides: true}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return Unit{}, fmt.Errorf("reading the unit: %w", err)
		}
		opts, err := unit.DeserializeOptions(f)
		_ = f.Close()
		if err != nil {
			return Unit{}, fmt.Errorf("reading the unit %s: %w", file, err)
		}
		for _, o := range opts {
			if o.Section == "Service" {
				u.set(o.Name, strings.TrimSpace(o.Value))
			}
		}
	}
	return u, nil
}

// unitFiles are the unit's file and its drop-ins, in the order in which they count.
func unitFiles(folders []string) ([]string, error) {
	main, dropIns, err := unitfile.Find(folders, Name)
	if err != nil {
		return nil, err
	}
	if main == "" {
		return nil, fmt.Errorf("looking for the unit: %w", fs.ErrNotExist)
	}
	return append([]string{main}, dropIns...), nil
}

func (u *Unit) set(name, value string) {
	on := slices.Contains([]string{"1", "yes", "true", "on"}, strings.ToLower(value))
	switch name {
	case "ProtectHome":
		u.HidesHome, u.SealsHome = on || value == "tmpfs", on
	case "PrivateTmp":
		u.OwnTmp = on || value == "disconnected"
	case "CapabilityBoundingSet":
		u.Overrides, u.bounded = u.overrides(strings.ToUpper(value)), true
	case "BindPaths", "BindReadOnlyPaths":
		u.bind(value)
	}
}

// bind takes one assignment of paths to bind: each is SOURCE[:DESTINATION[:OPTIONS]],
// and an empty assignment forgets those before (systemd.exec(5)).
func (u *Unit) bind(value string) {
	if value == "" {
		u.Shown = nil
	}
	for _, b := range strings.Fields(value) {
		parts := strings.SplitN(strings.TrimPrefix(b, "-"), ":", 3)
		u.Shown = append(u.Shown, filepath.Clean(parts[min(1, len(parts)-1)]))
	}
}

// overrides takes one assignment of the bounding set: several of them add up, ~ takes
// away, and an empty one takes everything (systemd.exec(5)).
func (u *Unit) overrides(value string) bool {
	list, inverted := strings.CutPrefix(value, "~")
	names := strings.Fields(list)
	has := slices.Contains(names, "CAP_DAC_OVERRIDE") || slices.Contains(names, "CAP_DAC_READ_SEARCH")
	switch {
	case value == "":
		return false
	case inverted:
		return u.Overrides && !(slices.Contains(names, "CAP_DAC_OVERRIDE") && slices.Contains(names, "CAP_DAC_READ_SEARCH"))
	}
	return has || u.bounded && u.Overrides
}
