package hostnet

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/unit"

	"dockwall/netinfo/hostnet/unitfile"
)

// socketUnits finds the sockets that systemd hands over to a service.
type socketUnits struct {
	dirs []string
	// read is when the units of the process were last read, with what came of it:
	// what they say takes effect when the service starts.
	read    time.Time
	pid     int
	streams []netip.AddrPort
	err     error
}

// readUnits adds the TCP sockets that systemd hands over to the process, if its
// settings ask for them: a socket on which systemd listens is the API's although
// nothing in dockerd's own settings names it.
func (s *Scanner) readUnits(d *daemonSettings, p *process) error {
	if !d.activated() {
		return nil
	}
	u, now := &s.units, s.now()
	if u.pid != p.pid || now.Sub(u.read) >= rereadAfter {
		u.pid, u.read = p.pid, now
		u.streams, u.err = u.handedTo(s.service(p.pid), s.files)
	}
	d.units = append(d.units, u.streams...)
	return u.err
}

// handedTo reads the sockets of all units for the service.
func (u *socketUnits) handedTo(service string, files *configFiles) (streams []netip.AddrPort, err error) {
	var errs []error
	for _, name := range u.names() {
		unit, err := u.unit(name, files)
		errs = append(errs, err)
		if cmp.Or(unit.service, strings.TrimSuffix(name, ".socket")+".service") == service {
			streams = append(streams, unit.streams...)
		}
	}
	return streams, errors.Join(errs...)
}

// service is the systemd service that the process runs in. Its cgroup says which.
func (s *Scanner) service(pid int) string {
	b, _ := readAtMost(s.path(pid, "cgroup"), maxProcFile)
	for line := range strings.Lines(string(b)) {
		if name := filepath.Base(strings.TrimSpace(line)); strings.HasSuffix(name, ".service") {
			return name
		}
	}
	return "docker.service"
}

// names returns the names of all socket units, sorted.
func (u *socketUnits) names() []string {
	var names []string
	for _, dir := range u.dirs {
		found, _ := filepath.Glob(filepath.Join(dir, "*.socket")) // the only error is a bad pattern
		for _, path := range found {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// socketUnit is what matters of a socket unit.
type socketUnit struct {
	service string // empty: the one of the same name
	streams []netip.AddrPort
}

// unit reads a unit and its drop-ins in systemd's order: the first unit file of
// that name, and then the drop-ins by name, of which those of earlier directories hide
// later ones.
func (u *socketUnits) unit(name string, files *configFiles) (socketUnit, error) {
	var read socketUnit
	// A folder that cannot be looked into is passed over: the other folders still count.
	main, dropIns, _ := unitfile.Find(u.dirs, name)
	for _, path := range append([]string{main}, dropIns...) {
		if err := read.add(files, path); err != nil {
			return socketUnit{}, err
		}
	}
	return read, nil
}

// add adds what one file says. A masked unit is a link to /dev/null.
func (u *socketUnit) add(files *configFiles, path string) error {
	if to, err := filepath.EvalSymlinks(path); err == nil && to == os.DevNull {
		return nil
	}
	b, err := files.get(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading a socket unit: %w", err)
	}
	options, err := unit.DeserializeOptions(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("reading the socket unit %s: %w", path, err)
	}
	for _, o := range options {
		switch {
		case o.Section != "Socket":
		case o.Name == "Service":
			u.service = o.Value
		case o.Name == "ListenStream" && o.Value == "":
			u.streams = nil
		case o.Name == "ListenStream":
			if a, ok := parseListenStream(o.Value); ok {
				u.streams = append(u.streams, a)
			}
		}
	}
	return nil
}

// parseListenStream reads systemd's address:port, or a port alone, which is all
// addresses of both families. Paths and abstract sockets are no TCP.
func parseListenStream(value string) (netip.AddrPort, bool) {
	value, _, _ = strings.Cut(value, "%") // [fe80::1]:2375%eth0
	if port, err := parsePort(value); err == nil && port != 0 {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), port), true
	}
	a, err := netip.ParseAddrPort(value)
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), err == nil && a.Port() != 0
}
