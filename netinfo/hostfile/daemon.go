package hostfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"dockwall/netinfo/inventory"
)

// DaemonFile reads the settings in daemon.json; none if there is no such file.
func (r Reader) DaemonFile(name string) inventory.Fact[map[string]any] {
	b, err := r.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return inventory.Known(map[string]any{})
	}
	if err != nil {
		return inventory.Unread[map[string]any](err.Error())
	}
	settings := map[string]any{}
	if err := json.Unmarshal(b, &settings); err != nil {
		return inventory.Unread[map[string]any](fmt.Sprintf("%s: %v", name, err))
	}
	return inventory.Known(settings)
}

// SocketUnit reads the ListenStream lines of docker.socket and its drop-ins; an empty
// one takes back those before it, as in systemd.
func (r Reader) SocketUnit() inventory.Fact[[]string] {
	unit, ok := r.Unit("docker.socket")
	if !ok {
		return inventory.Known[[]string](nil)
	}
	files := []string{unit}
	for _, dir := range unitDirs() {
		names, err := r.names(dir + "/docker.socket.d")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return inventory.Unread[[]string](err.Error())
		}
		slices.Sort(names)
		for _, n := range names {
			if strings.HasSuffix(n, ".conf") {
				files = append(files, dir+"/docker.socket.d/"+n)
			}
		}
	}
	var streams []string
	for _, f := range files {
		b, err := r.read(f)
		if err != nil {
			return inventory.Unread[[]string](err.Error())
		}
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(line, "=")
			if strings.TrimSpace(key) != "ListenStream" {
				continue
			}
			if value = strings.TrimSpace(value); value == "" {
				streams = nil
			} else {
				streams = append(streams, value)
			}
		}
	}
	return inventory.Known(streams)
}

// unitDirs are systemd's folders of units, the strongest first.
func unitDirs() []string {
	return []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}
}

// Unit finds the file of a unit.
func (r Reader) Unit(name string) (string, bool) {
	for _, dir := range unitDirs() {
		if f, err := r.file(dir+"/"+name, accounts{}); err == nil && !f.Missing {
			return dir + "/" + name, true
		}
	}
	return "", false
}
