package denied

import (
	"context"
	"iter"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/compile"
)

const (
	// kept is how many packets can be asked for afterwards.
	kept = 1000
	// queue is how many packets a reader may lag behind.
	queue = 256
)

// Options are what a Feed is made of. Its functions are called from the feed's
// goroutines, and may be slow only at the cost of packets.
type Options struct {
	Log hclog.Logger
	// Snapshot gives the facts that names come from.
	Snapshot func() netinfo.Snapshot
	// Origins gives those of the rules in force; it is asked again whenever
	// Version gives another number.
	Origins func() []rules.Origin
	Version func() uint64
	// Held is called with the senders of packets that were held; nil if not wanted.
	Held func(hostnet.Neighbor)
	// Dialled is called with the destinations of the host's own packets that were
	// refused because a container may be in the making there; nil if not wanted.
	Dialled func(netip.Addr)
	// Count is called with the policy of each packet; nil if not wanted.
	Count func(policy string)
	// Scan is called with the name of a container that was refused at so many targets
	// within a minute; nil if not wanted.
	Scan func(container string, targets int)
}

// Feed is what was refused.
type Feed struct {
	o Options
	// listen is hostnet.Packets; tests put another in its place.
	listen func(ctx context.Context, group uint16, notify func(hostnet.Denied), onError func(error)) error

	mu      sync.Mutex
	ring    [kept]Packet
	seq     uint64 // of the last packet; packet n is ring[(n-1)%kept]
	readers map[*reader]struct{}
	places  places
	version uint64
	sources sources
	scans   scans
}

// New returns a feed; Run fills it.
func New(o Options) *Feed {
	return &Feed{o: o, listen: hostnet.Packets, readers: map[*reader]struct{}{}, sources: newSources(), scans: scans{}}
}

// reader is one connection that follows the feed.
type reader struct{ packets chan Packet }

// Query says which part of the feed is asked for.
type Query struct {
	// Since leaves out what is older; zero if nothing.
	Since time.Time
	// Lines is how many packets of the past are wanted at most, the last ones;
	// negative: all that are kept.
	Lines int
	// Container leaves out what neither comes from it nor goes to it.
	Container string
	// Past: only what has happened already.
	Past bool
}

// Follow yields the past that was asked for and then, unless only the past was
// asked for, each packet as it is refused, until ctx ends.
func (f *Feed) Follow(ctx context.Context, q Query) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		past, last, r := f.join(q)
		defer f.leave(r)
		for _, p := range past {
			if !yield(Line{Packet: p}) {
				return
			}
		}
		for !q.Past {
			var p Packet
			select {
			case <-ctx.Done():
				return
			case p = <-r.packets:
			}
			if lost := p.seq - last - 1; lost > 0 && !yield(Line{Lost: lost}) {
				return
			}
			last = p.seq
			if q.wants(p) && !yield(Line{Packet: p}) {
				return
			}
		}
	}
}

func (q Query) wants(p Packet) bool {
	return (q.Container == "" || p.About(q.Container)) && !p.Time.Before(q.Since)
}

// join copies the past and starts a reader in one go, so that nothing is missed
// and nothing told twice.
func (f *Feed) join(q Query) (past []Packet, last uint64, r *reader) {
	r = &reader{packets: make(chan Packet, queue)}
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := f.seq - min(f.seq, kept) + 1; n <= f.seq; n++ {
		if p := f.ring[(n-1)%kept]; q.wants(p) {
			past = append(past, p)
		}
	}
	if q.Lines >= 0 && len(past) > q.Lines {
		past = past[len(past)-q.Lines:]
	}
	f.readers[r] = struct{}{}
	return past, f.seq, r
}

func (f *Feed) leave(r *reader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, r)
}

// add takes in one packet.
func (f *Feed) add(d hostnet.Denied) {
	p := named(d, f.o.Snapshot())
	f.mu.Lock()
	if v := f.o.Version(); f.places == nil || v != f.version {
		f.places, f.version = newPlaces(f.o.Origins()), v
	}
	f.places.tell(&p, d.Prefix)
	f.seq++
	p.seq = f.seq
	f.ring[(p.seq-1)%kept] = p
	for r := range f.readers {
		select {
		case r.packets <- p:
		default: // the gap in the numbers tells
		}
	}
	f.sources.add(p)
	scans := f.scans.add(p)
	f.mu.Unlock()
	if scans && f.o.Scan != nil {
		f.o.Scan(p.SourceContainer, scanTargets)
	}
	if f.o.Count != nil {
		f.o.Count(p.Policy)
	}
}

// hold takes in a packet whose sender is not known yet. The facts come first:
// the sender waits for them.
func (f *Feed) hold(d hostnet.Denied) {
	if f.o.Dialled != nil && d.Hook == hostnet.HookOutput {
		f.o.Dialled(d.Dst)
	}
	if f.o.Held != nil && d.Hook != hostnet.HookOutput && (d.MAC != "" || d.Port != 0) {
		f.o.Held(hostnet.Neighbor{Link: d.In, Addr: d.Src, MAC: d.MAC, Port: d.Port})
	}
	if d.Prefix != "" { // else the rule that reported it let it pass
		f.add(d)
	}
}

// groups are what is listened to.
func (f *Feed) groups() []group {
	return []group{{compile.LogGroup, f.add}, {compile.HoldGroup, f.hold}}
}
