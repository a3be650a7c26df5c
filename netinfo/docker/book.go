package docker

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"dockwall/netinfo"
)

// book is what is known of the engine, and in which order it was learnt. Every
// event and every beginning of a read takes the next tick of its clock; what a
// read says is believed only where no event is newer than its beginning.
//
// It does no I/O: its methods say in a todo what to read next. Not safe for
// concurrent use; Source guards it.
type book struct {
	clock   uint64
	version uint64 // counts changes of the facts
	event   time.Time
	list    time.Time // when the last list was asked for
	engine  netinfo.Engine

	nets  map[string]*segment
	conts map[string]*record
	gone  map[string]uint64 // IDs destroyed, and when

	order []*record // by name and ID
	// built are the facts of order's containers, in the same order. Where lent is
	// true they were handed out and are copied before a change.
	built  []netinfo.Container
	lent   bool
	byName map[string]string
	// dangling are the containers that share the network of one not yet known.
	dangling map[string]*record
	dirty    bool // networks changed since netFacts were made
	sorted   []netinfo.Network
}

// todo is what to do after a change to the book.
type todo struct {
	nets, conts []string // to be read
	later       []string // networks to be read again in a moment
	watch       []process
	unwatch     []string // containers
	engine      bool     // read the engine's own facts again
}

// process is the first process of a container.
type process struct {
	container string
	pid       int
}

func newBook() *book {
	return &book{
		nets: map[string]*segment{}, conts: map[string]*record{},
		gone: map[string]uint64{}, byName: map[string]string{}, dangling: map[string]*record{},
	}
}

// tick gives the next moment.
func (b *book) tick() uint64 {
	b.clock++
	return b.clock
}

// facts are values; what they share is never written again.
func (b *book) facts() Facts {
	if b.dirty {
		b.sorted = make([]netinfo.Network, 0, len(b.nets))
		for _, n := range b.nets {
			// One that only events have named is not described yet.
			if n.facts.Name != "" {
				b.sorted = append(b.sorted, n.facts)
			}
		}
		s := netinfo.Snapshot{Networks: b.sorted}
		s.Normalize()
		b.dirty = false
	}
	b.lent = true
	return Facts{Engine: b.engine, Networks: slices.Clip(b.sorted), Containers: slices.Clip(b.built), Event: b.event, Listed: b.list}
}

// place puts the record where it belongs in the order.
func (b *book) place(r *record) {
	b.own()
	i, _ := slices.BinarySearchFunc(b.order, r, byName)
	b.order = slices.Insert(b.order, i, r)
	b.built = slices.Insert(b.built, i, r.built)
}

// displace takes the record out of the order.
func (b *book) displace(r *record) {
	if i, ok := slices.BinarySearchFunc(b.order, r, byName); ok {
		b.own()
		b.order = slices.Delete(b.order, i, i+1)
		b.built = slices.Delete(b.built, i, i+1)
	}
}

// own sees to it that built may be written to.
func (b *book) own() {
	if b.lent {
		b.built, b.lent = slices.Clone(b.built), false
	}
}

// setEngine notes the engine's own facts.
func (b *book) setEngine(e netinfo.Engine) {
	if b.engine != e {
		b.engine = e
		b.version++
	}
}

// away notes that the engine cannot be asked, and why.
func (b *book) away(why string) {
	e := b.engine
	e.Connected, e.Error = false, why
	b.setEngine(e)
}

// listed takes a full list of containers and networks that was begun at begun.
// The list decides what exists; about the rest it may be behind the truth, so
// where it differs the container itself is read.
func (b *book) listed(conts []listing, nets []view, begun uint64) todo {
	t := b.networksListed(nets, begun)
	there := make(map[string]bool, len(conts))
	for _, l := range conts {
		there[l.id] = true
		if b.gone[l.id] > begun {
			continue
		}
		if b.compare(l, begun) {
			t.conts = append(t.conts, l.id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.conts)) {
		if r := b.conts[id]; !there[id] && r.seq < begun && r.read < begun {
			t.add(b.dropContainer(id))
		}
	}
	maps.DeleteFunc(b.gone, func(_ string, at uint64) bool { return at < begun })
	return t
}

// agrees reports whether the engine has as many containers as are known, all of
// these are known well, and those that its networks list are the same runs of
// the same containers: no event that matters was missed.
func (b *book) agrees(n census) bool {
	known := census{all: len(b.conts)}
	for _, r := range b.conts {
		switch {
		case !r.inspected || r.deadPID != 0:
			return false
		case r.state == "running":
			known.running++
		case r.state == "paused":
			known.paused++
		}
	}
	for _, n := range b.nets {
		for holder, e := range n.places {
			if r := b.conts[holder]; len(holder) == 64 && (r == nil || !strings.Contains(r.run, e.ID)) {
				return false
			}
		}
	}
	return n == known
}

// turn gives those of the networks whose turn it is to be read, and those that
// never were.
func (b *book) turn(ids []string, turn int) []string {
	if len(ids) <= fewNetworks {
		return ids
	}
	slices.Sort(ids)
	var its []string
	for i, id := range ids {
		if i%networkTurns == turn%networkTurns || b.nets[id].read == 0 {
			its = append(its, id)
		}
	}
	return its
}

// networksListed is listed for the networks alone.
func (b *book) networksListed(nets []view, begun uint64) todo {
	var t todo
	there := map[string]bool{}
	for _, v := range nets {
		there[v.facts.ID] = true
		if b.gone[v.facts.ID] > begun {
			continue
		}
		if n := b.network(v.facts.ID); n.read < begun {
			b.describe(n, v.facts)
		}
		t.nets = append(t.nets, v.facts.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(b.nets)) {
		if n := b.nets[id]; !there[id] && n.born < begun && n.read < begun {
			b.dropNetwork(id)
		}
	}
	return t
}

// compare reports whether the container must be read to learn what the list
// only hints at, and takes it up if it is new.
func (b *book) compare(l listing, begun uint64) bool {
	r, known := b.conts[l.id]
	if !known {
		r = b.record(l.id)
		name := l.name
		l.name = "" // the order is kept by rename
		r.listing = l
		b.rename(r, name)
		b.rebuild(r)
		return true
	}
	if r.seq > begun || r.read > begun {
		return false
	}
	if b.rename(r, cmp.Or(l.name, r.name)) {
		b.rebuild(r)
	}
	return !r.inspected || r.state != l.state || r.run != l.run || r.deadPID != 0
}

func (t *todo) add(o todo) {
	t.nets = append(t.nets, o.nets...)
	t.conts = append(t.conts, o.conts...)
	t.later = append(t.later, o.later...)
	t.watch = append(t.watch, o.watch...)
	t.unwatch = append(t.unwatch, o.unwatch...)
	t.engine = t.engine || o.engine
}

// rebuild makes the container's facts again, and counts a change if they are
// others than before.
func (b *book) rebuild(r *record) {
	c := netinfo.Container{
		ID: r.id, Name: r.name, Image: r.image, Labels: r.labels, Unread: !r.inspected, State: r.state,
		HostNetwork: r.netMode == "host", SharesWith: b.shares(r), Ports: r.asked, NameServers: slices.Clone(r.dns),
	}
	if c.Running() {
		c.Ports = inForce(r.asked, r.given)
	} else {
		c.Ports = slices.Clone(r.asked)
	}
	for _, n := range b.nets {
		if e, ok := n.at(r); ok {
			c.Endpoints = append(c.Endpoints, e)
		}
	}
	s := netinfo.Snapshot{Containers: []netinfo.Container{c}}
	s.Normalize()
	if c = s.Containers[0]; !reflect.DeepEqual(c, r.built) {
		r.built = c
		if i, ok := slices.BinarySearchFunc(b.order, r, byName); ok {
			b.own()
			b.built[i] = c
		}
		b.version++
	}
}
