package facts

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// routesEvery is how often at most the snapshot follows changes of routes.
const routesEvery = 50 * time.Millisecond

// routes remembers the routes that lead behind containers. It reads the routes of
// a bridge once, and again if one of them, the bridge or its addresses change. On
// a host without a route behind a container it reads no other routes: there may be
// a hundred thousand.
type routes struct {
	by  func(link int) ([]hostnet.Route, error)
	all func() ([]hostnet.Route, error)

	// bridges are Docker's bridges by ifindex.
	bridges map[int]bridgeRoutes
	// behind are the routes behind containers, by any bridge.
	behind []hostnet.Route
	// others are the prefixes of behind, or parts, by the links that lead there too,
	// and links what these links were like. stale: they must be read again.
	others map[int][]netip.Prefix
	links  map[int]netinfo.Link
	stale  bool
	// warned is the error that was logged last.
	warned string
}

// bridgeRoutes are the routes by one bridge that lead behind containers, and the
// bridge and the network's subnets when they were read: IPv4 routes go silently with
// a link or an address.
type bridgeRoutes struct {
	link    netinfo.Link
	subnets []netip.Prefix
	behind  []hostnet.Route
}

func newRoutes() routes {
	return routes{by: hostnet.RoutesBy, all: hostnet.AllRoutes, bridges: map[int]bridgeRoutes{}}
}

// forget has everything read again.
func (r *routes) forget() {
	clear(r.bridges)
	r.stale = true
}

// note takes note of a route that was added, changed or removed, and reports
// whether the snapshot may change by it.
func (r *routes) note(changed hostnet.Route) bool {
	if _, docker := r.bridges[changed.Link]; docker {
		delete(r.bridges, changed.Link)
		return true
	}
	for _, b := range r.behind {
		if b.Prefix.Overlaps(changed.Prefix) {
			r.stale = true
			return true
		}
	}
	return false
}

// into sets the routes of the snapshot.
func (r *routes) into(s *netinfo.Snapshot) error {
	changed, err := r.readBridges(s)
	if changed {
		r.behind = nil
		for _, b := range r.bridges {
			r.behind = append(r.behind, b.behind...)
		}
		r.stale = true
	}
	if len(r.behind) == 0 {
		r.others, r.links, r.stale = nil, nil, false
		return err
	}
	links := make(map[int]netinfo.Link, len(s.Links))
	for _, l := range s.Links {
		links[l.Index] = l
	}
	if r.stale || r.moved(links) {
		err = errors.Join(err, r.readOthers(links))
	}
	for _, b := range r.behind {
		s.Routes = append(s.Routes, netinfo.Route{Prefix: b.Prefix, Link: links[b.Link].Name, Gateway: b.Gateway})
	}
	for link, ps := range r.others {
		for _, p := range ps {
			s.OtherRoutes = append(s.OtherRoutes, netinfo.Route{Prefix: p, Link: links[link].Name})
		}
	}
	return err
}

// readBridges reads the routes of the bridges that are new or changed. It reports
// whether any were.
func (r *routes) readBridges(s *netinfo.Snapshot) (changed bool, errs error) {
	subnets := make(map[string][]netip.Prefix, len(s.Networks))
	for _, n := range s.Networks {
		if n.Bridge != "" {
			subnets[n.Bridge] = n.Subnets
		}
	}
	current := make(map[int]bool, len(subnets))
	for _, l := range s.Links {
		own, docker := subnets[l.Name]
		if !docker {
			continue
		}
		current[l.Index] = true
		if b, known := r.bridges[l.Index]; known && b.link.Equal(l) && slices.Equal(b.subnets, own) {
			continue
		}
		changed = true
		delete(r.bridges, l.Index)
		found, err := r.by(l.Index)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		r.bridges[l.Index] = bridgeRoutes{l, own, behind(own, found)}
	}
	for index := range r.bridges {
		if !current[index] {
			delete(r.bridges, index)
			changed = true
		}
	}
	return changed, errs
}

// moved reports whether a link of others changed.
func (r *routes) moved(links map[int]netinfo.Link) bool {
	for index, was := range r.links {
		if l, there := links[index]; !there || !l.Equal(was) {
			return true
		}
	}
	return false
}

func (r *routes) readOthers(links map[int]netinfo.Link) error {
	all, err := r.all()
	if err != nil {
		return err
	}
	r.others = others(r.behind, all, func(link int) bool {
		_, docker := r.bridges[link]
		_, there := links[link]
		return docker || !there
	})
	r.links = make(map[int]netinfo.Link, len(r.others))
	for index := range r.others {
		r.links[index] = links[index]
	}
	r.stale = false
	return nil
}

// watchRoutes follows the routes until ctx ends.
func (c *Collector) watchRoutes(ctx context.Context, notify func(string)) {
	told := coalesced(routesEvery, func() {
		if ctx.Err() == nil {
			notify("routes behind containers changed")
		}
	})
	hostnet.WatchRoutes(ctx, func() {
		c.mu.Lock()
		c.routes.forget()
		c.mu.Unlock()
		told()
	}, func(r hostnet.Route) {
		c.mu.Lock()
		news := c.routes.note(r)
		c.mu.Unlock()
		if news {
			told()
		}
	}, func(err error) { c.log.Warn("watching the routes", "error", err) })
}

// addRoutes sets the routes of the snapshot. What cannot be read is logged once
// and read again for the next snapshot. c.mu is held.
func (c *Collector) addRoutes(s *netinfo.Snapshot) {
	err := c.routes.into(s)
	if err == nil {
		c.routes.warned = ""
		return
	}
	if text := err.Error(); text != c.routes.warned {
		c.routes.warned = text
		c.log.Warn("cannot read the routes behind containers; forged packets from there may pass", "error", err)
	}
}
