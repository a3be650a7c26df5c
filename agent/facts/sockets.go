package facts

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

const (
	// settleTime is how long a listener must have been there before it counts as
	// the host's own if its process is not known: dockerd opens the sockets of
	// published ports itself (28 and later), before docker-proxy gets them.
	settleTime = 2 * time.Second
	// returnTime is how long a dockerd that came back has to listen where the one
	// before it did.
	returnTime = 10 * time.Second
)

// sockets is what was seen of the host's own sockets.
type sockets struct {
	proxies   []hostnet.Proxy
	listeners []sighting
	// counted are those of them that were settled at the look.
	counted []netinfo.Listener
	// open are all listeners that were there, sorted.
	open []hostnet.Socket
	// nameServers are those that Docker gives to containers.
	nameServers []netip.Addr
	// looked: this run has looked at them. Before, there is what an earlier run
	// knew of dockerd's.
	looked bool
	// engineSince is when dockerd was first found running; zero if it does not run.
	engineSince time.Time
	// away is since when no dockerd has been running, if one ran before.
	away absence
	// elsewhere is the PID of the engine's process if that is in another network
	// namespace; 0 if not.
	elsewhere int
}

// recall starts from what an earlier run knew of dockerd's API ports. Versions before
// 1.1 took Swarm's ports for them.
func recall(last netinfo.Snapshot) (s sockets) {
	for _, l := range last.Listeners {
		if l.Dockerd && !hostnet.IsSwarmPort(l.Port) {
			s.listeners = append(s.listeners, sighting{l: l})
		}
	}
	return s
}

// sighting is a listener and since when it has been seen.
type sighting struct {
	l     netinfo.Listener
	since time.Time
	// hosts says that its process is known to be none of the engine's.
	hosts bool
	// container is the ID of the container in which its process runs; empty if none,
	// or not known.
	container string
	v6Only    bool
}

func (g sighting) settled(now time.Time) bool { return g.hosts || now.Sub(g.since) >= settleTime }

// owned is a listening socket and what is known of its process. The home is asked
// for only on ports that a policy names.
type owned struct {
	hostnet.Socket
	owner  hostnet.Owner
	minded bool
	home   hostnet.Residence
}

// hosts reports whether its process is known to be none of the engine's, and, on a
// port that a policy names for a container, in no container.
func (o owned) hosts() bool {
	switch {
	case o.minded && o.home.Home == hostnet.HomeUnknown:
		return false
	case o.minded && o.owner == hostnet.OwnerUnknown:
		return true // its process is known, and is not an engine's
	}
	return o.owner == hostnet.OwnerHost
}

// unattributed reports whether it matters in which container the process runs, and nothing
// says it: the agent has no right to read the process's open files, and the socket is in no
// cgroup of version 2.
func (o owned) unattributed() bool {
	return o.minded && o.home.Home == hostnet.HomeUnknown && o.Inode != 0 && !o.InCgroup() && o.owner != hostnet.OwnerEngine
}

// anyWanted reports whether a container that does not run would publish ports, a
// policy names some, or it depends on who listens on the API's.
func (c *Collector) anyWanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted.any() || c.minded.any() || c.requireTLS || c.onHost
}

// listenersChanged reports whether a listener came or went on a port that a
// container which does not run would publish, or that a policy names. It costs four
// questions to the kernel, and reads no process.
func (c *Collector) listenersChanged() bool {
	open, err := hostnet.Listeners()
	c.mu.Lock()
	defer c.mu.Unlock()
	of := func(all []hostnet.Socket) []hostnet.Socket {
		return slices.DeleteFunc(slices.Clone(all), func(s hostnet.Socket) bool {
			return !c.wanted.has(s.Proto, s.Port) && !c.minds(s) && !(c.requireTLS && c.sockets.isAPI(s))
		})
	}
	return err != nil || !slices.Equal(of(open), of(c.sockets.open))
}

// lookAtSockets reads listeners before processes: a docker-proxy that listens
// in the one is then found in the other. It reads what dockerd holds before it
// looks for docker-proxy: a socket that dockerd has handed over in between is then
// found with docker-proxy.
func (c *Collector) lookAtSockets() (changed, settling bool, err error) {
	c.looking.Lock()
	defer c.looking.Unlock()
	began := time.Now()
	listening, err := hostnet.Listeners()
	if err != nil {
		return false, false, err
	}
	engine, err := c.scanner.Dockerd(listening)
	proxies, proxiesErr := c.scanner.Proxies()
	if proxiesErr != nil {
		return false, false, proxiesErr
	}
	open, openErr := c.owners(listening)
	if openErr != nil {
		return false, false, openErr
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.sockets
	next := sockets{proxies: proxies, open: listening, looked: true, nameServers: c.scanner.NameServers(), elsewhere: c.scanner.EngineElsewhere()}
	if c.scanner.DockerdRuns() {
		next.engineSince = cmp.Or(old.engineSince, now)
	} else if from := cmp.Or(old.away.from, began); !old.engineSince.IsZero() || !old.away.from.IsZero() {
		next.away = absence{from, began}
	}
	if next.engineSince.IsZero() || next.returning(now) {
		engine = append(engine, old.engines(now)...)
	}
	next.listeners = old.see(open, engine, proxies, now)
	changed = !slices.EqualFunc(c.sockets.proxies, proxies, func(a, b hostnet.Proxy) bool {
		a.PID, b.PID = 0, 0
		return a == b
	})
	changed = changed || next.elsewhere != old.elsewhere || c.memory.waiting && next.away != (absence{})
	changed = changed || !slices.Equal(old.nameServers, next.nameServers)
	c.sockets = next
	if c.followProofs(now) {
		changed = true
		c.askProofs()
	}
	after := c.sockets.settled(now)
	c.sockets.counted = after
	changed = changed || len(next.listeners) != len(after) && !slices.EqualFunc(next.listeners, old.listeners, func(a, b sighting) bool { return a.l == b.l })
	settling = len(after) < len(next.listeners) || next.returning(now)
	return changed || !slices.Equal(old.counted, after), settling, err
}

// owners separates the host's own listeners from dockerd's. One that has gone since
// may have been a docker-proxy's that ended before it was recognised.
func (c *Collector) owners(listening []hostnet.Socket) ([]owned, error) {
	still, err := hostnet.Listeners()
	if err != nil {
		return nil, err
	}
	there := make(map[uint64]bool, len(still))
	for _, s := range still {
		there[s.Inode] = true
	}
	c.findHomes(listening)
	open := make([]owned, 0, len(listening))
	for _, s := range listening {
		o := owned{Socket: s}
		if o.home, o.minded = c.homes[s.Inode]; there[s.Inode] {
			o.owner = c.scanner.Owner(s)
		}
		open = append(open, o)
	}
	return open, nil
}

// findHomes finds where the processes of listeners run that came on ports which a
// policy names, and forgets those that have gone.
func (c *Collector) findHomes(listening []hostnet.Socket) {
	c.mu.Lock()
	minded := make([]bool, len(listening))
	for i, s := range listening {
		minded[i] = c.minds(s)
	}
	c.mu.Unlock()
	var new []hostnet.Socket
	homes := map[uint64]hostnet.Residence{}
	for i, s := range listening {
		if !minded[i] {
			continue
		}
		if home, known := c.homes[s.Inode]; known && s.Inode != 0 {
			homes[s.Inode] = home
		} else {
			new = append(new, s)
		}
	}
	if len(new) > 0 {
		maps.Copy(homes, c.scanner.Homes(new))
	}
	c.homes = homes
}

// engines are dockerd's ports. While it is away they stay so, whichever process listens
// there until then: it listens again some time before the agent can see that, and
// systemd may do so for it. One that came back gives up those that it does not
// take again.
func (s sockets) engines(now time.Time) []netinfo.Listener {
	return slices.DeleteFunc(s.settled(now), func(l netinfo.Listener) bool { return !l.Dockerd })
}

// returning reports whether dockerd has not had the time yet to listen.
func (s sockets) returning(now time.Time) bool {
	return !s.engineSince.IsZero() && now.Sub(s.engineSince) < returnTime
}

// see turns the listeners into sightings: dockerd's as such, docker-proxy's and
// those that dockerd holds for published ports not at all, all others as the
// host's own.
func (s sockets) see(open []owned, engine []netinfo.Listener, proxies []hostnet.Proxy, now time.Time) []sighting {
	var seen []sighting
	for _, o := range open {
		l := netinfo.Listener{Addr: o.Addr, Proto: o.Proto, Port: o.Port, Container: o.home.Home == hostnet.HomeContainer, Unattributed: o.unattributed()}
		proxied := slices.ContainsFunc(proxies, func(p hostnet.Proxy) bool {
			return p.Proto == o.Proto && p.HostPort == o.Port && sameBind(p.HostAddr, o.Addr)
		})
		engines := slices.ContainsFunc(engine, func(e netinfo.Listener) bool { return e.Proto == l.Proto && e.Port == l.Port })
		if !proxied && !engines && o.owner != hostnet.OwnerEngine {
			seen = append(seen, sighting{l: l, since: now, hosts: o.hosts(), container: o.home.Container, v6Only: o.V6Only})
		}
	}
	for _, e := range engine {
		g := sighting{l: e, since: now}
		if !s.looked {
			// At the first look there is nothing to wait for: what dockerd
			// listens on was there before us.
			g.since = now.Add(-settleTime)
		}
		if !slices.ContainsFunc(seen, func(o sighting) bool { return o.l == e }) {
			seen = append(seen, g)
		}
	}
	for n := range seen {
		if i := slices.IndexFunc(s.listeners, func(o sighting) bool { return o.l == seen[n].l }); i >= 0 {
			seen[n].since = s.listeners[i].since
		}
	}
	return seen
}

// sameBind reports whether a docker-proxy that was told to serve host may have
// opened the socket on addr: it is that address, or both are every address (old
// versions serve IPv4 on a socket of both families).
func sameBind(host, addr netip.Addr) bool {
	host = host.Unmap()
	return host == addr || host.IsUnspecified() && addr.IsUnspecified()
}

// settled returns the listeners whose process is known, or that have been there
// long enough.
func (s sockets) settled(now time.Time) []netinfo.Listener {
	var ls []netinfo.Listener
	for _, g := range s.listeners {
		if g.settled(now) {
			ls = append(ls, g.l)
		}
	}
	return ls
}

// into adds to the snapshot what matters to policy: what docker-proxy serves,
// the engine's own ports, and the host's services on ports that a container
// which has no address now would publish, on the minded ones, and those of which it is
// not known whose they are. It returns the ports that such containers want.
func (s sockets) into(snap *netinfo.Snapshot, minded *portSet) (wanted *portSet) {
	for _, p := range s.proxies {
		snap.Proxies = append(snap.Proxies, netinfo.PublishedPort{HostAddr: p.HostAddr, HostPort: p.HostPort,
			HostPortEnd: p.HostPort, Proto: p.Proto, ContainerPort: p.ContainerPort})
	}
	for _, g := range s.listeners {
		// A socket that dockerd has just opened may be for a port that it is
		// about to publish.
		if g.l.Dockerd && time.Since(g.since) < settleTime {
			snap.Proxies = append(snap.Proxies, netinfo.PublishedPort{HostAddr: g.l.Addr, HostPort: g.l.Port,
				HostPortEnd: g.l.Port, Proto: g.l.Proto})
		}
	}
	snap.NameServers = s.nameServers
	wanted, published := publishes(snap.Containers)
	s.addHostNetwork(snap)
	for _, l := range s.settled(time.Now()) {
		if l.Dockerd && !published.has(l.Proto, l.Port) || !l.Dockerd && (l.Unattributed || wanted.has(l.Proto, l.Port) || minded.has(l.Proto, l.Port)) {
			snap.Listeners = append(snap.Listeners, l)
		}
	}
	return wanted
}
