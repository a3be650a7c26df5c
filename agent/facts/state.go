package facts

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dockwall/agent/durable"
	"dockwall/netinfo"
)

// StateDir is where systemd keeps dockwall's state over reboots.
const StateDir = "/var/lib/dockwall"

// stateName is the last snapshot's file.
const stateName = "snapshot.json"

// StatePath is where the last snapshot is kept for a restart of the agent:
// beside the control socket, on a file system that a reboot empties.
func StatePath(socket string) string { return filepath.Join(filepath.Dir(socket), stateName) }

// BootPath is where it is kept for the next boot.
func BootPath(dir string) string { return filepath.Join(dir, stateName) }

// bootID differs from one boot to the next.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

// Save keeps the snapshot for the agent's next start.
func Save(path string, s netinfo.Snapshot) error {
	var b bytes.Buffer
	if err := s.WriteJSON(&b); err != nil {
		return fmt.Errorf("writing the last snapshot: %w", err)
	}
	return WriteState(path, b.Bytes())
}

// WriteState is Save of a snapshot that is JSON already.
func WriteState(path string, snapshot []byte) error {
	return durable.Replace(path, append([]byte(bootID()+"\n"), snapshot...), 0o600)
}

// WithBridges returns the snapshot that the engine told last with the bridges that came
// while it was away and are known to be none of its own, and whether there are any.
func WithBridges(told netinfo.Snapshot, links []netinfo.Link) (more netinfo.Snapshot, news bool) {
	more = told
	for _, l := range links {
		if l.Kind == "bridge" && !l.Unplaced && !among(told.Links, l) {
			more.Links, news = append(slices.Clip(more.Links), l), true
		}
	}
	if news {
		sorted := netinfo.Snapshot{Links: slices.Clone(more.Links)}
		sorted.Normalize()
		more.Links = sorted.Links
	}
	return more, news
}

// Load reads what Save kept, from the first of the paths where there is
// something. Addresses do not outlive a boot: of what an earlier one left, only
// the networks, the ports that containers publish and those of dockerd itself are
// returned, so that a port is closed before Docker or a container that starts with
// it opens it.
func Load(paths ...string) (netinfo.Snapshot, error) {
	var errs []error
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		boot, rest, _ := bytes.Cut(b, []byte("\n"))
		s, err := netinfo.ReadJSON(bytes.NewReader(rest))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
			continue
		}
		if string(boot) != bootID() {
			s = ofEarlierBoot(s)
		}
		return s, nil
	}
	return netinfo.Snapshot{}, errors.Join(errs...)
}

func ofEarlierBoot(s netinfo.Snapshot) netinfo.Snapshot {
	old := netinfo.Snapshot{Engine: s.Engine, Networks: s.Networks, Listeners: s.Listeners}
	old.Engine.Connected = false
	for _, c := range s.Containers {
		c.Endpoints, c.State = nil, "exited"
		old.Containers = append(old.Containers, c)
	}
	return old
}
