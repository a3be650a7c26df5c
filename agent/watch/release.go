package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"dockwall/agent/durable"
	"dockwall/netinfo"
	"dockwall/netinfo/inventory"
)

// Judge adds to each container of the snapshot what was found of it, and whether it was
// released.
func (w *Watch) Judge(s *netinfo.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Containers = slices.Clone(s.Containers)
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Findings, c.Judged = w.record.failed(c.ID)
		c.Released = w.released[c.ID]
	}
}

// Recall takes what an earlier run found: until containers are judged again, that holds. It
// is called before Run.
func (w *Watch) Recall(last netinfo.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range last.Containers {
		if c.Judged {
			w.record.standing[place{container, c.ID}] = &standing{name: c.Name, failed: c.Findings}
		}
	}
}

// Release lets the container with this name or ID go from quarantine until it is removed.
// It returns the container's name.
func (w *Watch) Release(name string) (string, error) {
	w.mu.Lock()
	id, called := w.record.named(name)
	if id == "" {
		w.mu.Unlock()
		return "", fmt.Errorf("there is no container %s; docker ps -a lists them", name)
	}
	before := w.released[id]
	w.released[id] = true
	err := w.save()
	if err != nil && !before {
		delete(w.released, id)
	}
	w.mu.Unlock()
	if err != nil {
		return "", fmt.Errorf("remembering that %s is released: %w", called, err)
	}
	if !before {
		w.o.Log.Warn("a container was released from quarantine", "container", called, "id", inventory.Short(id))
	}
	w.notify("container " + called + " was released")
	return called, nil
}

// named is the container with this name or ID.
func (r *record) named(name string) (id, called string) {
	for at, s := range r.standing {
		if at.kind == container && (s.name == name || at.id == name || inventory.Short(at.id) == name) {
			return at.id, s.name
		}
	}
	return "", ""
}

// save writes which containers are released. w.mu is held.
func (w *Watch) save() error {
	if w.o.Path == "" {
		return nil
	}
	if len(w.released) == 0 {
		return durable.Remove(w.o.Path)
	}
	text, err := json.Marshal(slices.Sorted(maps.Keys(w.released)))
	if err != nil {
		return err
	}
	return durable.Replace(w.o.Path, append(text, '\n'), 0o600)
}

// load reads which containers are released. One that cannot be read releases none: what
// was closed stays closed.
func (w *Watch) load() {
	text, err := os.ReadFile(w.o.Path)
	if w.o.Path == "" || errors.Is(err, fs.ErrNotExist) {
		return
	}
	var ids []string
	if err == nil {
		err = json.Unmarshal(text, &ids)
	}
	if err != nil {
		w.o.Log.Warn("it cannot be read which containers were released from quarantine; all of them are closed again", "file", w.o.Path, "error", err)
		return
	}
	for _, id := range ids {
		w.released[id] = true
	}
}
