// Package unitfile finds the files of a systemd unit where systemctl cannot be asked:
// in a sandbox, and for sockets that systemd holds for a service.
//
// It is for the order of files. It reads none of them; go-systemd's package unit does.
//
// Invariants:
//
//  1. The order is that of systemd.unit(5), without the drop-ins of unit types and of
//     names with dashes, which no unit here has.
//
// Thread safety: functions of the file system.
package unitfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Folders returns the folders in which systemd looks for units; of two files of one
// name the first counts.
func Folders() []string {
	return []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}
}

// Find returns the unit's file, empty if there is none, and its drop-ins in the order in
// which systemd reads them: by name, of which those of earlier folders hide later ones.
// The error says which folder could not be looked into; the others count all the same.
func Find(folders []string, name string) (main string, dropIns []string, err error) {
	byName := map[string]string{}
	var errs []error
	for _, dir := range folders {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); main == "" && err == nil {
			main = path
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("looking for the unit: %w", err))
		}
		found, _ := filepath.Glob(filepath.Join(dir, name+".d", "*.conf")) // the only error is a bad pattern
		for _, f := range found {
			if _, earlier := byName[filepath.Base(f)]; !earlier {
				byName[filepath.Base(f)] = f
			}
		}
	}
	for _, base := range slices.Sorted(maps.Keys(byName)) {
		dropIns = append(dropIns, byName[base])
	}
	return main, dropIns, errors.Join(errs...)
}
