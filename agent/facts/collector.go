package facts

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo"
	"dockwall/netinfo/docker"
	"dockwall/netinfo/hostnet"
	"dockwall/rules/policy"
)

// Collector keeps the facts of this host.
type Collector struct {
	log    hclog.Logger
	engine *docker.Source
	// remote is where the engine is reached over TCP; invalid if it is not.
	remote netip.Addr

	mu sync.Mutex // for what follows, up to byHand
	linksRead
	ports   bridgePorts
	strays  strayPorts
	sockets sockets
	portsSought
	memory memory
	addrsUsed
	routes routes
	apiProofs
	// byHand is what other programs have put into containers, by the container's ID;
	// connected asks for a look.
	byHand    map[string]handmade
	connected chan struct{}

	socketLooks
	audited
	// asking: the engine will be asked for its networks in a moment.
	asking bool
}

// audited is what the audit says of containers.
type audited struct {
	// judged adds what the audit found of containers; nil if there is no audit. It is asked
	// while quarantines is true: the policy has a block that depends on it.
	judged      func(*netinfo.Snapshot)
	quarantines bool
}

// linksRead are the interfaces as they were read last.
type linksRead struct {
	// stale says that the links have changed since they were read.
	stale bool
	links []netinfo.Link
	veths []hostnet.Veth
	// masters are the bridges of the ports.
	masters map[int]int
}

// portsSought are the ports whose listeners matter.
type portsSought struct {
	// wanted are the ports that containers which do not run would publish.
	wanted *portSet
	// minded are the ports that the policy names for containers, or nil.
	minded *portSet
	// onHost: a container runs on the host's network, whose ports only its listeners
	// show.
	onHost bool
	// walk: the next look must walk all processes, whatever the listeners are.
	walk bool
}

// addrsUsed are the addresses that are in use, from every source.
type addrsUsed struct {
	// neighbors are the addresses in use on every link.
	neighbors neighbors
	// sightings are the addresses in use on the ports of bridges, which count
	// instead of neighbors while portsInForce reports true.
	sightings    *sightings
	portsInForce func() bool
	// told is called when an address comes into use; nil before Run.
	told func()
}

// apiProofs are what is known of the TLS of Docker's API.
type apiProofs struct {
	// proofs are what probes showed of the API's sockets; clock is when their
	// certificates were last compared with the time.
	proofs proofs
	clock  time.Time
	// requireTLS says that the policy opens the API's ports only if they are proven.
	requireTLS bool
	// unproven wakes the prober: a socket of the API is to be probed.
	unproven chan struct{}
	// dial connects to a socket of the API; a net.Dialer's if nil.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// socketLooks are the looks at the host's sockets.
type socketLooks struct {
	// looking is held by the goroutine that looks: scanner, homes and warned are its own.
	looking sync.Mutex
	scanner *hostnet.Scanner
	// homes are where the processes behind listeners on minded ports run, by the
	// socket's inode.
	homes map[uint64]hostnet.Residence
	// warned is the trouble with the sockets that was logged last.
	warned string
	// first is the first look at the sockets and the neighbours.
	first sync.Once
	// look asks for another.
	look chan struct{}
}

// New returns a collector for the engine at host ("unix:///var/run/docker.sock").
// last is what an earlier run knew, or the zero snapshot.
func New(host string, last netinfo.Snapshot, log hclog.Logger) (*Collector, error) {
	engine, err := docker.New(host, log.Named("docker"))
	if err != nil {
		return nil, err
	}
	return &Collector{log: log, engine: engine, remote: remoteHost(host), linksRead: linksRead{stale: true}, memory: remember(last), ports: rememberPorts(last), strays: rememberStrays(last),
		sockets: recall(last), addrsUsed: addrsUsed{neighbors: neighbors{}, sightings: recallSightings(last)}, routes: newRoutes(),
		socketLooks: socketLooks{scanner: hostnet.NewScanner("/proc").WithEngine(host), look: make(chan struct{}, 1)},
		apiProofs:   apiProofs{unproven: make(chan struct{}, 1), clock: time.Now()}, connected: make(chan struct{}, 1)}, nil
}

// UsePorts has addresses that the engine did not give told by bridge port while
// inForce reports true, and by Ethernet address while not. It is called before Run.
func (c *Collector) UsePorts(inForce func() bool) { c.portsInForce = inForce }

// UseFindings has judged add what the audit found of containers, if the policy asks for
// it. It is called before Run.
func (c *Collector) UseFindings(judged func(*netinfo.Snapshot)) { c.judged = judged }

func (c *Collector) byPort() bool { return c.portsInForce != nil && c.portsInForce() }

// Run keeps the facts fresh until ctx ends. notify is called whenever Snapshot
// would return something new; it must not block.
func (c *Collector) Run(ctx context.Context, notify func(cause string)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		c.engine.Run(ctx, func(cause string) {
			c.poke()
			notify(cause)
		})
	})
	wg.Go(func() {
		hostnet.Watch(ctx, func() {
			c.mu.Lock()
			c.stale = true
			c.mu.Unlock()
			// A container's own link comes after docker-proxy, before its process.
			c.poke()
			notify("network interfaces changed")
		}, func(err error) { c.log.Warn("watching the network interfaces", "error", err) })
	})
	wg.Go(func() { c.watchSockets(ctx, notify) })
	wg.Go(func() { c.watchByHand(ctx, notify) })
	wg.Go(func() { c.watchNeighbors(ctx, notify) })
	wg.Go(func() { c.watchRoutes(ctx, notify) })
	wg.Go(func() { c.watchProofs(ctx, notify) })
	wg.Wait()
}

// Look asks for a look at the host's sockets, now and some milliseconds on:
// Docker is about to publish a port.
func (c *Collector) Look() { c.poke() }

// poke asks for a look at the sockets soon, and for one at containers' interfaces.
func (c *Collector) poke() {
	for _, asked := range []chan struct{}{c.look, c.connected} {
		select {
		case asked <- struct{}{}:
		default:
		}
	}
}

// normalizeAdded sorts what was added to the engine's facts and the links, which
// are sorted, shared, and many.
func normalizeAdded(s *netinfo.Snapshot) {
	added := netinfo.Snapshot{Listeners: s.Listeners, Proxies: s.Proxies, Strangers: s.Strangers, Sightings: s.Sightings,
		Routes: s.Routes, OtherRoutes: s.OtherRoutes, Proofs: s.Proofs}
	added.Normalize()
	s.Listeners, s.Proxies, s.Strangers, s.Sightings = added.Listeners, added.Proxies, added.Strangers, added.Sightings
	s.Routes, s.OtherRoutes, s.Proofs = added.Routes, added.OtherRoutes, added.Proofs
}

// askLater has the engine asked which networks there are, once for all who want
// it. No caller waits for that.
func (c *Collector) askLater(wait time.Duration) {
	if wait == 0 || c.asking {
		return
	}
	c.asking = true
	time.AfterFunc(wait, func() {
		c.mu.Lock()
		c.asking = false
		c.mu.Unlock()
		c.engine.Relist()
	})
}

// lookFirst returns when the sockets and the neighbours have been looked at. Facts
// without them would leave open what dockerd itself listens on, and take an address
// that another host uses for its container's; the engine may well answer before
// such a look is done.
func (c *Collector) lookFirst() {
	c.first.Do(c.firstLook)
}

func (c *Collector) firstLook() {
	_, _, err := c.lookAtSockets()
	c.warn(err)
	c.readNeighbors()
	c.proveAll()
}

// warn logs trouble with a look at the sockets once, until it changes.
func (c *Collector) warn(err error) {
	c.looking.Lock()
	defer c.looking.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != c.warned {
		c.log.Warn("cannot read all of what the host's sockets and dockerd's settings say", "error", err)
	}
	c.warned = text
}

// Mind has the facts tell which services of the host have the ports that published
// blocks name for containers: these ports are closed before such a container starts,
// except for those services. It returns when the sockets were looked at with that.
func (c *Collector) Mind(p policy.Policy) {
	minded := new(portSet)
	for _, b := range p.Published {
		for _, r := range b.Ports {
			if len(b.To) > 0 {
				minded.add(netinfo.PublishedPort{Proto: r.Proto, HostPort: r.Lo, HostPortEnd: r.Hi})
			}
		}
	}
	c.mu.Lock()
	same := c.minded != nil && *c.minded == *minded
	c.minded = minded
	c.requireTLS = p.DockerAPI != nil && p.DockerAPI.RequireTLS
	c.quarantines = len(p.Quarantines) > 0
	c.mu.Unlock()
	if same {
		return
	}
	first := false
	c.first.Do(func() {
		first = true
		c.firstLook()
	})
	if !first {
		_, _, err := c.lookAtSockets()
		c.warn(err)
	}
	c.poke()
}

// mindAll is Mind for callers that do not know the policy.
func (c *Collector) mindAll() {
	c.minded = new(portSet)
	for _, proto := range []netinfo.Protocol{netinfo.TCP, netinfo.UDP, netinfo.SCTP} {
		c.minded.add(netinfo.PublishedPort{Proto: proto, HostPort: 1, HostPortEnd: 1<<16 - 1})
	}
}

// want notes the ports that containers which do not run would publish. The first
// of them has the sockets looked at more often. c.mu is held.
func (c *Collector) want(ports *portSet) {
	before := c.wanted.any()
	c.wanted = ports
	if ports.any() && !before {
		c.poke()
	}
}

// Snapshot returns what is known now, and when the event happened that its
// latest change in Docker came from (zero: none).
func (c *Collector) Snapshot() (netinfo.Snapshot, time.Time, error) {
	c.lookFirst()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stale {
		// Cleared first: a change while reading must be seen by the next call.
		c.stale = false
		links, veths, err := hostnet.LinksAndVeths()
		if err != nil {
			c.stale = true
			return netinfo.Snapshot{}, time.Time{}, fmt.Errorf("reading the network interfaces: %w", err)
		}
		c.ports.into(links, veths, hostnet.Veth.PeerMAC)
		c.veths = veths
		sorted := netinfo.Snapshot{Links: links}
		sorted.Normalize()
		c.links, c.masters = sorted.Links, masters(sorted.Links)
		c.sightings.keep(c.masters)
	}
	f := c.engine.Facts()
	f.Engine.Elsewhere = cmp.Or(f.Engine.Elsewhere, c.elsewhere(f.Networks))
	s, ask := c.memory.assemble(f, c.links, c.sockets.away, time.Now())
	c.askLater(ask)
	tellLater(c.strays.into(&s, c.veths, time.Now()), c.told)
	c.want(c.sockets.into(&s, c.minded))
	c.proofs.into(&s, time.Now())
	c.mindHostNetwork(s.Containers)
	if c.byPort() {
		c.sightings.into(&s, c.engine.Addr, time.Now())
	} else {
		c.neighbors.into(&s, c.engine.Addr, time.Now())
	}
	c.addByHand(&s)
	c.memory.dialled.into(&s, c.sockets.dials, time.Now())
	c.addRoutes(&s)
	normalizeAdded(&s)
	if c.quarantines && c.judged != nil {
		c.judged(&s)
	}
	return s, f.Event, nil
}
