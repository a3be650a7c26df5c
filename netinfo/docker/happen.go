package docker

import (
	"maps"
	"slices"

	"dockwall/netinfo"
)

// happen takes an event. What it says has ended is taken out at once; what it
// says has begun, and whatever it says otherwise, is read.
func (b *book) happen(e event) todo {
	now := b.tick()
	switch e.kind {
	case "container":
		return b.containerEvent(e, now)
	case "network":
		return b.networkEvent(e, now)
	case "daemon":
		return todo{engine: true}
	}
	return todo{}
}

func (b *book) containerEvent(e event, now uint64) todo {
	if e.id == "" {
		return todo{}
	}
	if e.action == "destroy" {
		b.gone[e.id] = now
		return b.dropContainer(e.id)
	}
	r := b.introduce(e)
	r.seq = now
	t := todo{conts: []string{e.id}}
	switch e.action {
	case "create":
		r.state = "created"
	case "start", "unpause":
		r.state = "running"
	case "pause":
		r.state = "paused"
	case "rename":
		if name := e.attrs["name"]; name != "" {
			b.rename(r, name)
		}
	case "die":
		r.state, r.given, r.run, r.pid = "exited", nil, "", 0
		t = b.vacate(r)
		t.unwatch = append(t.unwatch, r.id)
	}
	b.rebuild(r)
	return t
}

// introduce gives the record of the container an event is about. A new one
// starts with what the event's attributes say: name, image and labels.
func (b *book) introduce(e event) *record {
	if r, ok := b.conts[e.id]; ok {
		return r
	}
	r := b.record(e.id)
	r.image, r.labels = e.attrs["image"], maps.Clone(e.attrs)
	for _, k := range [...]string{"image", "name", "oldName", "exitCode", "execDuration", "signal"} {
		delete(r.labels, k)
	}
	if r.state == "" {
		r.state = "created"
	}
	b.rename(r, e.attrs["name"])
	b.rebuild(r)
	return r
}

func (b *book) networkEvent(e event, now uint64) todo {
	switch e.action {
	case "destroy", "remove":
		b.gone[e.id] = now
		b.dropNetwork(e.id)
		return todo{}
	case "create":
		return todo{nets: []string{e.id}}
	case "connect":
		return todo{nets: []string{e.id}, conts: b.replugged(e)}
	case "disconnect":
		return b.disconnected(e, now)
	}
	return todo{}
}

// disconnected takes a container off a network. The network is read to see
// whether it has come back since.
func (b *book) disconnected(e event, now uint64) todo {
	t := todo{nets: []string{e.id}, conts: b.replugged(e)}
	n := b.network(e.id)
	n.lost[e.container], n.lost[gatewayKey(e.container)] = now, now
	if r, ok := b.conts[e.container]; ok && b.leave(r, n, false) {
		b.rebuild(r)
	}
	delete(n.places, e.container)
	return t
}

// replugged gives the container of a network event if it is to be read: when a
// running one changes networks its ports may move. One that is starting would
// only keep the reader waiting; its start event follows.
func (b *book) replugged(e event) []string {
	if r, ok := b.conts[e.container]; ok && r.pid == 0 && !running(r.state) {
		return nil
	}
	if len(e.container) != 64 {
		return nil
	}
	return []string{e.container}
}

func running(state string) bool { return netinfo.Container{State: state}.Running() }

// compact sorts and removes what is there twice.
func (t *todo) compact() {
	for _, s := range []*[]string{&t.nets, &t.conts, &t.later} {
		slices.Sort(*s)
		*s = slices.Compact(*s)
	}
}
