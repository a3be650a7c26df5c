package facts

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"dockwall/agent/tls/probe"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// watchProofs asks the sockets of Docker's API for proofs until ctx ends: each when
// it came, or came to another dockerd, and every proofInterval.
func (c *Collector) watchProofs(ctx context.Context, notify func(string)) {
	var asking sync.WaitGroup
	defer asking.Wait()
	for {
		wait := c.prove(ctx, &asking, func() { notify("Docker's API answered the probes of its TLS") })
		select {
		case <-ctx.Done():
			return
		case <-c.unproven:
		case <-time.After(wait):
			if c.certificateEnded(time.Now()) {
				notify("the certificate of Docker's API has ended")
			}
		}
	}
}

// prove begins to ask the sockets that are due, and returns how long there is nothing
// else to do. changed is called for each that answers otherwise than before.
func (c *Collector) prove(ctx context.Context, asking *sync.WaitGroup, changed func()) time.Duration {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for s, p := range c.proofs.take(now) {
		patience := p.patience
		asking.Go(func() {
			v := probe.Run(ctx, probe.Target{Addr: dialled(s.addr).String(), Patience: patience, Now: time.Now(), Dial: c.dial})
			c.mu.Lock()
			news := c.proofs.answered(s, p, v, time.Now())
			c.mu.Unlock()
			if news {
				changed()
			}
			c.askProofs()
		})
	}
	return c.proofs.next(now)
}

// proveAll asks the sockets that are due and waits for their answers. A first
// snapshot without them would close the API, and end its connections, for a moment.
func (c *Collector) proveAll() {
	var asking sync.WaitGroup
	c.prove(context.Background(), &asking, func() {})
	asking.Wait()
}

// askProofs has watchProofs look for sockets that are due.
func (c *Collector) askProofs() {
	select {
	case c.unproven <- struct{}{}:
	default:
	}
}

// certificateEnded reports whether a certificate has ended since the last call.
func (c *Collector) certificateEnded(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.clock
	c.clock = now
	for _, p := range c.proofs.by {
		if end := p.found.NotAfter; !end.After(now) && end.After(last) {
			return true
		}
	}
	return false
}

// followProofs takes the sockets of Docker's API to the proofs. While no dockerd runs
// there are none: systemd may hold the sockets, and would start dockerd if one were
// asked. c.mu and c.looking are held.
func (c *Collector) followProofs(now time.Time) (changed bool) {
	identity, configured := c.scanner.Engines()
	var open []apiSocket
	if identity != "" {
		open = c.sockets.apiSockets(configured, now)
	}
	if len(open) > 0 {
		_, published := publishes(c.engine.Facts().Containers)
		open = slices.DeleteFunc(open, func(s apiSocket) bool { return published.has(netinfo.TCP, s.addr.Port()) })
	}
	return c.proofs.follow(identity, open, now)
}

// apiSockets returns the open sockets of Docker's API that other hosts may reach.
// dockerd also opens sockets for ports that it is about to publish, and a container
// must not be asked: a socket counts if dockerd's settings name it, or if it has been
// there for some time. Where a port is the API's, all sockets on it count, because
// docker_api opens ports.
func (s sockets) apiSockets(configured []netip.AddrPort, now time.Time) []apiSocket {
	api := map[uint16]bool{}
	for _, g := range s.listeners {
		named := slices.ContainsFunc(configured, func(a netip.AddrPort) bool { return a.Port() == g.l.Port })
		if g.l.Dockerd && !g.l.Addr.IsLoopback() && (named || now.Sub(g.since) >= settleTime) {
			api[g.l.Port] = true
		}
	}
	var all []apiSocket
	for _, o := range s.open {
		if o.Proto == netinfo.TCP && api[o.Port] && !o.Addr.IsLoopback() && !s.proxied(o) {
			all = append(all, apiSocket{netip.AddrPortFrom(o.Addr, o.Port), o.Inode})
		}
	}
	return all
}

// isAPI reports whether the socket is on a port of Docker's API.
func (s sockets) isAPI(o hostnet.Socket) bool {
	return o.Proto == netinfo.TCP && (o.Port == 2375 || o.Port == 2376 ||
		slices.ContainsFunc(s.listeners, func(g sighting) bool { return g.l.Dockerd && g.l.Port == o.Port }))
}

// proxied reports whether a docker-proxy serves the socket.
func (s sockets) proxied(o hostnet.Socket) bool {
	return slices.ContainsFunc(s.proxies, func(p hostnet.Proxy) bool {
		return p.Proto == o.Proto && p.HostPort == o.Port && sameBind(p.HostAddr, o.Addr)
	})
}

// dialled is where this host reaches a socket.
func dialled(a netip.AddrPort) netip.AddrPort {
	addr := a.Addr()
	switch {
	case addr.IsUnspecified() && addr.Is4():
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case addr.IsUnspecified():
		addr = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(addr, a.Port())
}
