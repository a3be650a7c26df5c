package docker

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"dockwall/netinfo"
)

// record is what is known of one container.
type record struct {
	listing
	gateway string // its gatewayKey
	seq     uint64 // the last event about it
	read    uint64 // when the read was begun that was believed last

	left uint64 // when it was taken off all networks
	// inspected reports whether what never changes is known.
	inspected    bool
	asked, given []netinfo.PublishedPort
	dns          []netip.Addr
	sharesWith   string // resolved once; names may change later

	pid       int
	deadPID   int // a process seen dead that the engine may still report
	deadAt    time.Time
	unwatched int // a process that cannot be watched

	built netinfo.Container
}

// distrust is how long the engine may report a process as running that was seen
// dead. After that the process seen was not the container's: the engine lives
// in another PID namespace.
const distrust = 5 * time.Second

// record returns the container's record, making it if need be.
func (b *book) record(id string) *record {
	if r, ok := b.conts[id]; ok {
		return r
	}
	r := &record{listing: listing{id: id}, gateway: gatewayKey(id)}
	b.conts[id] = r
	b.place(r)
	b.version++
	return r
}

func byName(x, y *record) int {
	return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.id, y.id))
}

// rename keeps the order by name, and resolves references to the new name. It
// reports whether the name was another.
func (b *book) rename(r *record, name string) bool {
	if r.name == name && (name == "" || b.byName[name] == r.id) {
		return false
	}
	b.unname(r)
	b.displace(r)
	r.name = name
	b.place(r)
	if name == "" {
		return true
	}
	b.byName[name] = r.id
	for _, o := range b.dangling {
		b.rebuild(o)
	}
	return true
}

func (b *book) unname(r *record) {
	if b.byName[r.name] == r.id {
		delete(b.byName, r.name)
	}
}

// shares resolves --network container:X, which may be an ID, the beginning of
// one, or a name. What cannot be resolved stays as it was given.
func (b *book) shares(r *record) string {
	ref, ok := strings.CutPrefix(r.netMode, "container:")
	if !ok {
		return ""
	}
	if r.sharesWith != "" {
		return r.sharesWith
	}
	if _, ok := b.conts[ref]; ok {
		r.sharesWith = ref
	} else if id, ok := b.byName[strings.TrimPrefix(ref, "/")]; ok {
		r.sharesWith = id
	} else if isHex(ref + ref) {
		b.sharesByPrefix(r, ref)
	}
	if r.sharesWith == "" {
		b.dangling[r.id] = r
		return ref
	}
	delete(b.dangling, r.id)
	return r.sharesWith
}

func (b *book) sharesByPrefix(r *record, ref string) {
	var found []string
	for id := range b.conts {
		if strings.HasPrefix(id, ref) {
			found = append(found, id)
		}
	}
	if len(found) == 1 {
		r.sharesWith = found[0]
	}
}

// dropContainer forgets a container and every address it had.
func (b *book) dropContainer(id string) todo {
	r, ok := b.conts[id]
	if !ok {
		return todo{}
	}
	t := b.vacate(r)
	b.unname(r)
	delete(b.conts, id)
	delete(b.dangling, id)
	b.displace(r)
	b.version++
	t.unwatch = append(t.unwatch, id)
	t.conts = nil
	return t
}

// inspected takes what reading a container that was begun at begun showed.
func (b *book) inspected(s sighting, begun uint64) todo {
	if b.gone[s.id] > begun {
		return todo{}
	}
	r := b.record(s.id)
	if r.read > begun {
		return todo{}
	}
	// These never change in a container's life, whatever event came since.
	r.inspected, r.asked, r.labels, r.image, r.netMode, r.dns = true, s.asked, s.labels, s.image, s.netMode, s.dns
	if r.name == "" {
		b.rename(r, s.name)
	}
	if r.seq > begun {
		b.rebuild(r)
		return todo{}
	}
	r.read = begun
	r.state, r.run, r.given = s.state, s.run, s.given
	b.rename(r, cmp.Or(s.name, r.name))
	t := b.process(r, s)
	t.nets = append(t.nets, b.vouch(r, s, begun)...)
	b.rebuild(r)
	return t
}

// process notes the container's process, to be watched.
func (b *book) process(r *record, s sighting) todo {
	if s.pid == 0 {
		r.pid = 0
		if !running(s.state) {
			r.deadPID = 0
		}
		return todo{unwatch: []string{r.id}}
	}
	if s.pid == r.deadPID {
		if time.Since(r.deadAt) < distrust {
			return todo{}
		}
		r.unwatched = s.pid
	}
	r.deadPID = 0
	if s.pid == r.pid || s.pid == r.unwatched {
		return todo{}
	}
	r.pid = s.pid
	return todo{watch: []process{{r.id, s.pid}}}
}

// vouch takes back that endpoints were dead which the engine shows on a process
// that is not: an event that came late had buried the next run's. It returns
// the networks to be read again.
func (b *book) vouch(r *record, s sighting, begun uint64) []string {
	if s.state != "running" && s.state != "paused" || r.deadPID != 0 && (s.pid == 0 || s.pid == r.deadPID) {
		return nil
	}
	var nets []string
	for id, n := range b.nets {
		for _, ep := range s.endpoints {
			if at, dead := n.dead[ep]; dead && at < begun {
				delete(n.dead, ep)
				nets = append(nets, id)
			}
		}
	}
	return nets
}

// missing takes that a read begun at begun found no such container.
func (b *book) missing(id string, begun uint64) todo {
	if r, ok := b.conts[id]; !ok || r.seq > begun || r.read > begun {
		return todo{}
	}
	return b.dropContainer(id)
}

// died takes that a container's process has ended, as the kernel says.
func (b *book) died(p process) todo {
	r, ok := b.conts[p.container]
	if !ok || r.pid != p.pid {
		return todo{}
	}
	b.tick()
	r.pid, r.deadPID, r.deadAt = 0, p.pid, time.Now()
	return b.vacate(r)
}

// unwatchable takes that a process cannot be watched. That removes nothing.
func (b *book) unwatchable(p process) {
	if r, ok := b.conts[p.container]; ok && r.pid == p.pid {
		r.pid, r.unwatched = 0, p.pid
	}
}
