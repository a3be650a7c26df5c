package denied

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// attempt is a refused packet of a container to the nth target, n seconds after the start.
func attempt(from string, target int, at time.Duration) Packet {
	return Packet{Time: time.Unix(1000, 0).Add(at), SourceContainer: from, SourcePort: 40000, Protocol: "tcp",
		Destination: netip.AddrFrom4([4]byte{10, 0, byte(target >> 8), byte(target)}), Port: 22}
}

func TestScans(t *testing.T) {
	many := func(change func(n int, p *Packet)) (packets []Packet) {
		for n := range scanTargets {
			p := attempt("web", n, time.Duration(n)*time.Second)
			change(n, &p)
			packets = append(packets, p)
		}
		return packets
	}
	for name, c := range map[string]struct {
		packets []Packet
		want    bool
	}{
		"addresses":         {many(func(int, *Packet) {}), true},
		"ports":             {many(func(n int, p *Packet) { p.Destination, p.Port = netip.Addr{}, uint16(n) }), true},
		"protocols count":   {many(func(n int, p *Packet) { p.Protocol = fmt.Sprint(n); p.Destination = netip.Addr{} }), true},
		"one too few":       {many(func(int, *Packet) {})[1:], false},
		"one target":        {many(func(_ int, p *Packet) { p.Destination = netip.Addr{} }), false},
		"too slow":          {many(func(n int, p *Packet) { p.Time = time.Unix(int64(1000+n*4), 0) }), false},
		"no container":      {many(func(_ int, p *Packet) { p.SourceContainer = "" }), false},
		"many containers":   {many(func(n int, p *Packet) { p.SourceContainer = fmt.Sprint(n) }), false},
		"replies":           {many(func(n int, p *Packet) { p.SourcePort, p.Port = 80, uint16(40000+n) }), false},
		"from a low port":   {many(func(_ int, p *Packet) { p.SourcePort = 53 }), true},
		"errors":            {many(func(_ int, p *Packet) { p.ICMPType = new(uint8) }), false},
		"in quarantine":     {many(func(_ int, p *Packet) { p.Policy = "quarantine.escape" }), false},
		"refused by egress": {many(func(_ int, p *Packet) { p.Policy = "egress.mirror" }), true},
	} {
		s, got := scans{}, 0
		for _, p := range c.packets {
			if s.add(p) {
				got++
			}
		}
		if (got == 1) != c.want || got > 1 {
			t.Errorf("%s: found %d times, want it found: %t", name, got, c.want)
		}
	}
}

// However many containers and targets there are, so much is remembered; a container that
// scans is found when the others have been quiet for a while.
func TestScansAreBounded(t *testing.T) {
	s := scans{}
	for n := range 3 * scanners {
		for k := range scanTargets - 1 {
			s.add(attempt(fmt.Sprint("c", n), k, 0))
		}
	}
	if len(s) != scanners {
		t.Errorf("%d containers are remembered, want %d", len(s), scanners)
	}
	found := false
	for k := range scanTargets {
		found = found || s.add(attempt("late", k, 2*scanWindow))
	}
	if !found || len(s) > 1 {
		t.Errorf("found %t, and %d containers are remembered", found, len(s))
	}
}

// The feed tells of a scan by the name of the container that has the source address.
func TestFeedTellsOfScans(t *testing.T) {
	told := map[string]int{}
	f := newTestFeed(Options{Snapshot: func() netinfo.Snapshot { return shop() }, Scan: func(container string, targets int) { told[container] = targets }})
	for n := range scanTargets {
		f.add(hostnet.Denied{At: time.Unix(int64(n), 0), Prefix: "dockwall:egress.x", Proto: netinfo.TCP, SrcPort: 40000,
			Src: netip.MustParseAddr("172.17.0.2"), Dst: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), DstPort: 22})
	}
	if len(told) != 1 || told["web"] != scanTargets {
		t.Errorf("told of %v", told)
	}
}
