package watch

import (
	"maps"
	"slices"
	"time"

	"dockwall/netinfo/inventory"
)

// scanStands is how long a scan counts after the feed of refused packets told of it last.
const scanStands = time.Hour

// scan is when a container was refused last at so many targets within a minute.
type scan struct {
	at      time.Time
	targets int
}

// Scanned takes that the container with this name was refused at so many addresses and
// ports within a minute.
func (w *Watch) Scanned(name string, targets int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, _ := w.record.named(name)
	if id == "" {
		return // it is told again while it goes on
	}
	_, stands := w.scans[id]
	w.scans[id] = scan{time.Now(), targets}
	if stands {
		return
	}
	w.pend(id)
	w.poke()
	time.AfterFunc(scanStands, func() { w.scanEnds(id) })
}

// scanEnds has the container judged again if its last scan is long ago.
func (w *Watch) scanEnds(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, stands := w.scans[id]
	if !stands {
		return
	}
	if left := scanStands - time.Since(s.at); left > 0 {
		time.AfterFunc(left, func() { w.scanEnds(id) })
		return
	}
	delete(w.scans, id)
	w.pend(id)
	w.poke()
}

// witnessed adds to a container what only an agent that runs has seen of it. w.mu is held.
func (w *Watch) witnessed(c *inventory.Container) {
	c.PrivilegedExecs = slices.Sorted(maps.Keys(w.privileged[c.ID]))
	if w.doc != nil && w.doc.Policy.LogDenied {
		n := w.scans[c.ID].targets
		c.RefusedTargets = &n
	}
}
