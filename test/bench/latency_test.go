package bench

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"dockwall/netinfo/docker/dockertest"
)

// pollPause is what passes between two questions to the kernel while a member
// is waited for: what is measured is at most this, and one question, too long.
const pollPause = 100 * time.Microsecond

// spacing is what passes between two containers, so that each is by itself.
const spacing = 15 * time.Millisecond

// kinds of containers that are started in turn: one for each kind of policy.
const kinds = 10

// eventTimes starts containers and takes the time from the engine's event to
// the kernel's sets having the container, all the sets that are to have it.
func eventTimes(t testing.TB, w *town, samples int) []time.Duration {
	t.Helper()
	p := newProber(t, w.NamespacePath("host"))
	sets := map[int][]member{}
	for kind := range kinds {
		sets[kind] = w.membersOf(t, kind)
	}
	var all []time.Duration
	for i := range samples {
		s := w.newStart(i % kinds)
		// Its port is closed from create on, which tells that it is known.
		closed, rest := s.in(sets[i%kinds])
		p.await(t, closed, time.Now())
		time.Sleep(spacing)
		begun := time.Now()
		w.engine.Begin(s.id)
		all = append(all, p.await(t, rest(w.address(t, s.id)), begun))
		w.engine.Finish(s.id)
		time.Sleep(spacing)
	}
	return all
}

// start is a container that is started to be measured.
type start struct {
	id   string
	addr netip.Addr
	port uint16
}

func (w *town) newStart(kind int) start {
	w.serial++
	port := uint16(60000 + w.serial%5000)
	return start{port: port, id: w.engine.Create(dockertest.Container{
		Name: fmt.Sprintf("probe-%05d", w.serial), Image: "app:1", Labels: map[string]string{"tier": tier(kind)},
		Networks: []string{network(w.serial % w.networks)},
		Ports:    []dockertest.Port{{Port: "80/tcp", HostPort: fmt.Sprint(port)}},
	})}
}

// in are the members that this container will be, where another of its kind is
// these: the one by which its port is closed, and, by its address, the rest.
func (s start) in(ms []member) (closed []member, rest func(netip.Addr) []member) {
	var others []member
	for _, m := range ms {
		if m.port != 0 {
			m.port = s.port
		}
		if strings.HasPrefix(m.set, "dockwall4-h-") {
			closed = append(closed, m)
		} else {
			others = append(others, m)
		}
	}
	return closed, func(a netip.Addr) []member {
		for i := range others {
			if others[i].port == 0 {
				others[i].addr = a
			}
		}
		return others
	}
}

// membersOf starts a container of the kind and reads where it shows up.
func (w *town) membersOf(t testing.TB, kind int) []member {
	t.Helper()
	s := w.newStart(kind)
	before := w.sets()
	w.engine.Start(s.id)
	s.addr = w.address(t, s.id)
	deadline := time.Now().Add(20 * time.Second)
	var found []member
	for len(found) == 0 || w.sets() != before {
		if time.Now().After(deadline) {
			t.Fatalf("container of kind %d: in no set", kind)
		}
		time.Sleep(100 * time.Millisecond)
		before = w.sets()
		found = w.find(s)
	}
	return found
}

// sets is how long all that is in the sets is, to see whether it still changes.
func (w *town) sets() int { return len(w.Host("ipset", "save")) }

// find looks the container up in what ipset prints.
func (w *town) find(s start) []member {
	var found []member
	port := fmt.Sprintf(" 0.0.0.0/1,tcp:%d", s.port)
	for line := range strings.Lines(w.Host("ipset", "save")) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "add ")
		name, _, _ := strings.Cut(rest, " ")
		switch {
		case !ok:
		case strings.HasSuffix(rest, " "+s.addr.String()):
			found = append(found, member{set: name, addr: s.addr})
		case strings.HasSuffix(rest, port):
			found = append(found, member{set: name, addr: netip.MustParseAddr("10.0.0.1"), port: s.port})
		}
	}
	return found
}

// address is what the engine gave the container.
func (w *town) address(t testing.TB, id string) netip.Addr {
	t.Helper()
	as := w.engine.Addrs(id)
	if len(as) == 0 {
		t.Fatal("the engine gave no address")
	}
	return as[0]
}

// percentile is the duration that so many in a hundred do not exceed.
func percentile(ds []time.Duration, p int) time.Duration {
	ds = slices.Sorted(slices.Values(ds))
	return ds[min(len(ds)-1, len(ds)*p/100)]
}

// measureLatency is the way of a container from the engine's event into force.
func measureLatency(t *testing.T, size sizes) *figure {
	f := &figure{name: "From the engine's event into force",
		how: fmt.Sprintf("With %d policies and %s blocked CIDRs in force a container is connected; taken is the time from just before the engine "+
			"emits the event until all the kernel's sets that are to have it do, asked by netlink every %s, in which the resolution lies. %d containers of %d kinds in turn. "+
			"The agent asks the engine for the network meanwhile; the engine's answer is part of the time.", size.policies, number(size.cidrs), pollPause, size.samples, kinds),
		head: []string{"containers", "networks", "p50", "p90", "p99"}}
	var medians []time.Duration
	for _, n := range size.containers {
		t.Run(number(n), func(t *testing.T) {
			w := newTown(t, n)
			w.writeList(t, size.cidrs)
			a := w.Agentd(policyText(size.policies, true))
			all := eventTimes(t, w, size.samples)
			a.Stop()
			medians = append(medians, percentile(all, 50))
			f.add(number(n), number(w.networks), ms(percentile(all, 50)), ms(percentile(all, 90)), ms(percentile(all, 99)))
		})
	}
	if len(medians) != len(size.containers) {
		t.FailNow()
	}
	last := len(medians) - 1
	f.want(medians[last-1] <= 5*time.Millisecond, ms(medians[last-1]), "p50 at most 5 ms with %s containers", number(size.containers[last-1]))
	f.want(ratio(medians[last], medians[0]) <= 1.5, times(ratio(medians[last], medians[0])), "p50 with %s containers at most 1.5 × that with %d", number(size.containers[last]), size.containers[0])
	return f
}
