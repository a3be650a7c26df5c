package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Refusal is a file that the service cannot read.
type Refusal struct {
	Path string
	// Why and Fix are sentences for the operator.
	Why, Fix string
}

// Refusals returns which of the files the service cannot read. way returns the folders
// that are looked into on the way to a file, links followed. A file that is not there is
// left out.
func (u Unit) Refusals(files []string, way func(string) []string) []Refusal {
	var all []Refusal
	for _, f := range files {
		if r, refused := u.refusal(f, way(f)); refused {
			all = append(all, r)
		}
	}
	return all
}

func (u Unit) refusal(file string, way []string) (Refusal, bool) {
	if _, err := os.Stat(file); err != nil {
		return Refusal{}, false
	}
	for _, dir := range way {
		if hidden := u.hides(dir); hidden != "" {
			return Refusal{file, fmt.Sprintf("the way to it leads through %s, and %s", dir, hidden),
				"Move it to /etc/dockwall, or change the unit with systemctl edit " + Name + "."}, true
		}
	}
	if u.Overrides {
		return Refusal{}, false
	}
	if err := openPlain(file); errors.Is(err, fs.ErrPermission) {
		return Refusal{file, "its permissions, or those of a folder on the way, keep root out: the service may not override them (CapabilityBoundingSet)",
			fmt.Sprintf("Let root read it: chown root %s, or chmod o+r.", file)}, true
	}
	return Refusal{}, false
}

// hides says why the service does not see the folder; empty if it does.
func (u Unit) hides(dir string) string {
	within := func(roots ...string) bool {
		return slices.ContainsFunc(roots, func(root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") })
	}
	home := within("/home", "/root", "/run/user")
	// The way to what is bound leads through folders that are empty otherwise.
	onWay := func(shown string) bool { return strings.HasPrefix(shown, dir+"/") }
	switch {
	case home && u.SealsHome:
		return Name + " sees nothing there (ProtectHome)"
	case within(u.Shown...) || slices.ContainsFunc(u.Shown, onWay):
		return ""
	case u.HidesHome && home:
		return Name + " sees nothing there (ProtectHome)"
	case u.OwnTmp && within("/tmp", "/var/tmp"):
		return Name + " has a /tmp of its own (PrivateTmp)"
	}
	return ""
}

// openPlain opens the file as root without the capabilities that override permissions.
func openPlain(file string) error {
	done := make(chan error)
	go func() {
		// Capabilities belong to a thread. This one ends with the goroutine, because it
		// is never unlocked, so that no other code runs on it.
		runtime.LockOSThread()
		if err := dropOverride(); err != nil {
			done <- err
			return
		}
		fd, err := unix.Open(file, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Close(fd)
		}
		done <- err
	}()
	return <-done
}

// dropOverride takes the capabilities from this thread.
func dropOverride() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("reading this thread's capabilities: %w", err)
	}
	data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return fmt.Errorf("dropping this thread's capabilities: %w", err)
	}
	return nil
}
