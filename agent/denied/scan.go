package denied

import (
	"net/netip"
	"strings"
	"time"
)

const (
	// scanTargets is how many addresses and ports a container has to be refused at within
	// scanWindow to be taken for one that scans. A program that tries what it may not
	// reach has a handful, and tries them again.
	scanTargets = 20
	scanWindow  = time.Minute
	// scanners is how many containers are watched at a time.
	scanners = 512
	// ephemeral is the first of the ports that Linux picks for clients.
	ephemeral = 32768
)

// target is what a packet was for.
type target struct {
	addr  netip.Addr
	port  uint16
	proto string
}

// scans counts the distinct targets that each container was refused at. What the rules do
// not report is missing: a scan may be found late, or not at all, but what is found was
// sent. Who sent it is known by the source address alone.
type scans map[string]map[target]time.Time

// add takes in a packet and reports whether its sender has been refused at scanTargets
// targets within scanWindow; then counting starts again.
func (s scans) add(p Packet) bool {
	// Replies of a service whose connections were cut go to many clients' ports.
	reply := p.SourcePort != 0 && p.SourcePort < ephemeral && p.Port >= ephemeral
	if p.SourceContainer == "" || reply || p.ICMPType != nil || strings.HasPrefix(p.Policy, "quarantine.") {
		return false
	}
	seen := s[p.SourceContainer]
	if seen == nil {
		if len(s) >= scanners {
			s.forget(p.Time)
		}
		if len(s) >= scanners {
			return false
		}
		seen = map[target]time.Time{}
		s[p.SourceContainer] = seen
	}
	if len(seen) == scanTargets-1 {
		prune(seen, p.Time)
	}
	seen[target{p.Destination, p.Port, p.Protocol}] = p.Time
	if len(seen) < scanTargets {
		return false
	}
	delete(s, p.SourceContainer)
	return true
}

// forget leaves out containers that were refused nothing within the window.
func (s scans) forget(now time.Time) {
	for name, seen := range s {
		if prune(seen, now); len(seen) == 0 {
			delete(s, name)
		}
	}
}

func prune(seen map[target]time.Time, now time.Time) {
	for t, at := range seen {
		if now.Sub(at) >= scanWindow {
			delete(seen, t)
		}
	}
}
