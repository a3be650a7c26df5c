package cutter

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules/policy"
)

// secondUplink has the client send by eth1 to what it knows of the host. The
// host's packets to the client leave by eth0.
func (w *realTown) secondUplink() {
	w.t.Helper()
	command(w.t, "", "ip", "link", "add", "eth1", "type", "veth", "peer", "name", "q0", "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), w.client))
	set := func(nic, four, six string) {
		command(w.t, "", "ip", "addr", "add", four, "dev", nic)
		command(w.t, "", "ip", "addr", "add", six, "dev", nic, "nodad")
		command(w.t, "", "ip", "link", "set", nic, "up")
	}
	set("eth1", "198.51.100.1/24", "2001:db8:2::1/64")
	for _, nic := range []string{"all", "eth0", "eth1"} {
		command(w.t, "", "sysctl", "-qw", "net.ipv4.conf."+nic+".rp_filter=0")
	}
	w.in(w.client, func() {
		set("q0", "198.51.100.10/24", "2001:db8:2::10/64")
		command(w.t, "", "ip", "route", "add", "192.0.2.1/32", "via", "198.51.100.1", "src", "192.0.2.10")
		command(w.t, "", "ip", "-6", "route", "add", "2001:db8:1::1/128", "via", "2001:db8:2::1", "src", "2001:db8:1::10")
		command(w.t, "", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.p0.rp_filter=0", "net.ipv4.conf.q0.rp_filter=0")
	})
}

// Connections whose packets come in by another interface than the one that leads
// to the client end if that interface is not allowed any more, and go on if it is
// the only one that is.
func TestCutByInterface(t *testing.T) {
	for _, c := range []struct {
		via  string
		want bool
	}{{"eth0", false}, {"eth1", true}} {
		t.Run(c.via, func(t *testing.T) {
			w := newRealTown(t)
			w.secondUplink()
			w.enforce()
			talks := w.inbound()
			w.policy.Published[0].Via = []*policy.Interfaces{{Name: "x", Names: []string{c.via}}}
			rs, s := w.enforce()
			for name, x := range talks {
				if !x.flows() {
					t.Fatalf("%s: the rules alone ended it", name)
				}
			}
			w.cutForGood(rs, s)
			for name, x := range talks {
				if got := x.flows(); got != c.want {
					t.Errorf("%s goes on: %v, want %v", name, got, c.want)
				}
			}
		})
	}
}

// The first packet that comes in by a denied interface ends the connection in both
// directions: what the server sends does not reach the client either.
func TestServerIsCutByInterface(t *testing.T) {
	w := newRealTown(t)
	w.secondUplink()
	w.enforce()
	x := w.pair("172.17.0.2:9000", "192.0.2.1:9000")
	six := w.pair("[fd17::2]:9000", "[2001:db8:1::1]:9000")
	w.policy.Published[0].Via = []*policy.Interfaces{{Name: "x", Names: []string{"eth0"}}}
	w.cutForGood(w.enforce())
	for _, p := range []*pair{x, six} {
		_, err := p.client.Write([]byte("x"))
		must(t, err)
		time.Sleep(50 * time.Millisecond)
		_, err = p.server.Write([]byte("x"))
		must(t, err)
		if hears(t, p.client, 500*time.Millisecond) {
			t.Errorf("the client hears the server %s", p.client.RemoteAddr())
		}
	}
}

// With both uplinks in use, what is allowed is not interrupted: not even a
// connection whose client is silent.
func TestSilentClientGoesOn(t *testing.T) {
	w := newRealTown(t)
	w.secondUplink()
	w.in(w.client, func() { command(t, "", "ip", "route", "del", "192.0.2.1/32") })
	w.enforce()
	x := w.pair("172.17.0.2:9000", "192.0.2.1:9000")
	w.policy.Published[0].Via = []*policy.Interfaces{{Name: "x", Names: []string{"eth0"}}}
	w.cutForGood(w.enforce())
	if _, err := x.server.Write([]byte("x")); err != nil || !hears(t, x.client, 5*time.Second) {
		t.Errorf("the server's byte does not reach the client (%v)", err)
	}
}

func hears(t *testing.T, c net.Conn, within time.Duration) bool {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(within)))
	_, err := c.Read(make([]byte, 1))
	return err == nil
}

// The verdict where interfaces differ, and what is closed for it.
func TestJudgeInterfaces(t *testing.T) {
	s := town()
	m, _ := machine(t, open(func(p *policy.Policy) {
		p.Published[0].Via = []*policy.Interfaces{{Name: "lan", Names: []string{"eth1"}}}
	}), s)
	j := newJudge(m, s, routes)
	for _, c := range []struct {
		flow   string
		want   verdict
		likely verdict
	}{
		{wanDNAT, again, deny}, {lanDNAT, again, allow}, {nowhere, again, undecided}, {wanProxyUDP, again, deny},
		{answerDNAT, again, deny}, {outgoing, allow, allow}, {sameBridge, allow, allow}, {direct, deny, deny}, {linkProxy, allow, allow},
	} {
		a, v := j.flow(flow(t, c.flow))
		if v != c.want || a.likely != c.likely {
			t.Errorf("%s: verdict %v, likely %v; want %v, %v", c.flow, v, a.likely, c.want, c.likely)
		}
	}
}

// What is closed of each kind of connection.
func TestDirections(t *testing.T) {
	s := town()
	m, _ := machine(t, open(nil), s)
	k := &knife{judge: newJudge(m, s, routes)}
	for _, c := range []struct {
		name, flow     string
		rejudge        bool
		likely         verdict
		refused        []string
		requests, back int
		nics           []string
	}{
		{"tcp", wanDNAT, false, deny, nil, 1, 1, nil},
		{"tcp reversed", answerDNAT, false, deny, nil, 1, 1, nil},
		{"udp", wanDNATUDP, false, deny, nil, 0, 1, nil},
		{"udp to judge", wanDNATUDP, true, allow, []string{"eth0"}, 0, 1, nil},
		{"tcp to judge", wanDNAT, true, deny, []string{"eth0"}, 0, 1, nil},
		{"tcp that goes on", lanDNAT, true, allow, []string{"eth0", "tun0"}, 0, 1, []string{"eth0", "tun0"}},
	} {
		f := flow(t, c.flow)
		a, _ := k.flow(f)
		a.rejudge, a.likely, a.refused = c.rejudge, c.likely, c.refused
		v := victim{f, a}
		var forth, back int
		var nics []string
		for _, d := range k.directions(v) {
			switch {
			case d.NIC != "":
				nics = append(nics, d.NIC)
			case d == requests(v):
				forth++
			case d == answers(v):
				back++
			}
		}
		if forth != c.requests || back != c.back || len(nics) != len(c.nics) {
			t.Errorf("%s: %d, %d, %v; want %d, %d, %v", c.name, forth, back, nics, c.requests, c.back, c.nics)
		}
	}
}

// opened notes what a barrier opens.
type opened struct{ ds []hostnet.Direction }

func (o *opened) Close([]hostnet.Direction) error   { return nil }
func (o *opened) Open(ds []hostnet.Direction) error { o.ds = append(o.ds, ds...); return nil }
func (o *opened) Stands() (bool, error)             { return true, nil }

// What was closed for connections that have ended is opened after a while. What was
// cut stays closed, and a datagram without a dialogue is not even remembered.
func TestEnded(t *testing.T) {
	s := town()
	m, _ := machine(t, open(nil), s)
	o := &opened{}
	k := &knife{c: New(hclog.NewNullLogger()).With(o), judge: newJudge(m, s, routes)}
	closing := func(text string, rejudge bool, age time.Duration) victim {
		f := flow(t, text)
		a, _ := k.flow(f)
		a.rejudge, a.likely, a.refused = rejudge, allow, []string{"eth1"}
		v := victim{f, a}
		k.c.gate.remember(k.directions(v), a)
		for d, c := range k.c.gate.closed {
			if d.Tuple == f.Reply || d.Tuple == f.Original {
				c.at = time.Now().Add(-age)
				k.c.gate.closed[d] = c
			}
		}
		return v
	}
	over := closing(wanDNAT, true, time.Hour)
	lives := closing(lanDNAT, true, time.Hour)
	closing(wanDNAT6, true, time.Minute)
	closing(wanDNATUDP, false, time.Hour)
	if before := len(k.c.gate.closed); before != 7 {
		t.Fatalf("%d directions are closed, want 7", before)
	}
	closing("udp 192.0.2.10:4444 > 192.0.2.1:8080 < 172.17.0.2:80 > 192.0.2.10:4444 unreplied", true, time.Hour)
	see, open := k.ended()
	see(lives.flow)
	open()
	if len(o.ds) != 2 || len(k.c.gate.closed) != 5 {
		t.Errorf("opened %v, %d stay closed; want those of %v", o.ds, len(k.c.gate.closed), over.flow)
	}
}

// Flows that a packet with a false source may have made.
func TestSeeded(t *testing.T) {
	s := town()
	s.Routes = []netinfo.Route{{Prefix: netip.MustParsePrefix("10.8.0.0/24"), Link: "docker0"}}
	p := newPlaces(s)
	unreplied := func(text string) string { return text + " unreplied" }
	for text, want := range map[string]bool{
		"udp 172.17.0.2:53 > 192.0.2.10:5000":                                    true,
		"udp 172.17.0.2:53 > 192.0.2.10:5000 < 192.0.2.10:5000 > 192.0.2.1:53":   true,
		"udp [fd18::2]:53 > [2001:db8:1::10]:5000":                               true,
		"udp 172.17.0.99:53 > 192.0.2.10:5000":                                   true, // a container that is gone, or not known yet
		"udp [2001:db8:1::1]:8080 > [2001:db8:1::10]:5000":                       true,
		"udp [2001:db8:1::1]:5353 > [2001:db8:1::10]:5000":                       false, // the host's own
		"udp 172.17.0.2:53 > 172.18.0.2:5000":                                    false,
		"udp 172.17.0.2:53 > 192.0.2.1:53":                                       false,
		"udp 192.0.2.10:5000 > 192.0.2.1:8080 < 172.17.0.2:80 > 192.0.2.10:5000": false,
		"udp 10.8.0.5:53 > 192.0.2.10:5000":                                      true, // behind a container
		"udp 10.8.1.5:53 > 192.0.2.10:5000":                                      false,
		outgoing:                                                                 false,
		unreplied(outgoing):                                                      true,
		answerDNAT:                                                               false,
		unreplied(answerDNAT):                                                    true,
		unreplied(answerTCP):                                                     true,
		ssh:                                                                      false,
		"udp 127.0.0.1:8080 > 127.0.0.1:1":                                       false,
	} {
		f := flow(t, text)
		if got := p.seeded(f); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// A later ask adds to what an earlier one, which was not begun, had to look for.
func TestClaimedTogether(t *testing.T) {
	prefix, a := netip.MustParsePrefix, netip.MustParseAddr("10.8.0.5")
	vpn, other := claimed{prefixes: []netip.Prefix{prefix("10.8.0.0/24")}}, claimed{prefixes: []netip.Prefix{prefix("10.9.0.0/24")}}
	for _, c := range []struct {
		claimed claimed
		want    bool
	}{{claimed{}, false}, {vpn, true}, {other, false}, {other.with(vpn), true}, {vpn.with(other), true}, {other.with(claimed{all: true}), true}, {claimed{all: true}.with(other), true}} {
		if got := c.claimed.holds(a); got != c.want {
			t.Errorf("%+v: %v, want %v", c.claimed, got, c.want)
		}
	}
}
