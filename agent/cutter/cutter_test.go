package cutter

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/conntrack"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules/policy"
)

// inbound are talks with the published ports, at their own number: the hardest
// case, in which a deleted entry comes back and the connection with it.
func (w *realTown) inbound() map[string]*talk {
	return map[string]*talk{
		"tcp by DNAT, IPv4":  w.tcp(w.client, w.web, "172.17.0.2:9000", "192.0.2.1:9000"),
		"tcp by DNAT, IPv6":  w.tcp(w.client, w.web, "[fd17::2]:9000", "[2001:db8:1::1]:9000"),
		"tcp by proxy, IPv4": w.tcp(w.client, w.host, "192.0.2.1:9001", "192.0.2.1:9001"),
		"tcp by proxy, IPv6": w.tcp(w.client, w.host, "[2001:db8:1::1]:9001", "[2001:db8:1::1]:9001"),
		"udp by DNAT, IPv4":  w.udp(w.client, w.web, "172.17.0.2:9000", "192.0.2.1:9000"),
		"udp by proxy, IPv6": w.udp(w.client, w.host, "[2001:db8:1::1]:9001", "[2001:db8:1::1]:9001"),
	}
}

func TestCutWhileBothSidesSend(t *testing.T) {
	w := newRealTown(t)
	rs, s := w.enforce()
	talks := w.inbound()
	others := map[string]*talk{
		"ssh":    w.tcp(w.client, w.host, "192.0.2.1:22", "192.0.2.1:22"),
		"egress": w.tcp(w.web, w.client, "192.0.2.10:443", "192.0.2.10:443"),
		"lookup": w.udp(w.web, w.client, "192.0.2.10:53", "192.0.2.10:53"),
	}
	if r := w.cut(rs, s); r.Cut() {
		t.Fatalf("cut what is allowed: %+v", r)
	}
	for name, x := range talks {
		if !x.flows() {
			t.Fatalf("%s: nothing flows", name)
		}
	}
	w.policy.Published = nil
	rs, s = w.enforce()
	for name, x := range talks {
		if !x.flows() {
			t.Fatalf("%s: the rules alone ended it; this test cannot fail", name)
		}
	}
	begun := time.Now()
	done := make(chan time.Duration, 1)
	go func() { done <- silent(begun, talks) }()
	w.cut(rs, s)
	t.Logf("the last byte of what is denied came %v after the cut began", (<-done).Round(time.Millisecond))
	for name, x := range talks {
		if x.flows() {
			t.Errorf("%s goes on", name)
		}
	}
	for name, x := range others {
		if !x.flows() {
			t.Errorf("%s, which is allowed, ended", name)
		}
	}
	if r := w.cut(rs, s); r.Cut() {
		t.Errorf("cut the dead once more: %+v", r)
	}
}

// silent watches for a second and a half, and returns when the servers heard
// something for the last time.
func silent(begun time.Time, talks map[string]*talk) (last time.Duration) {
	sum := func() (n int64) {
		for _, x := range talks {
			n += x.heard.Load()
		}
		return n
	}
	for before := sum(); time.Since(begun) < 1500*time.Millisecond; time.Sleep(beat) {
		if now := sum(); now != before {
			before, last = now, time.Since(begun)
		}
	}
	return last
}

// An entry that tracking picked up from the server's side is judged the other
// way round.
func TestCutReversed(t *testing.T) {
	w := newRealTown(t)
	w.enforce()
	x := w.tcp(w.client, w.web, "172.17.0.2:9000", "192.0.2.1:9000")
	six := w.tcp(w.client, w.host, "[2001:db8:1::1]:9001", "[2001:db8:1::1]:9001")
	w.policy.Published = nil
	rs, s := w.enforce()
	// With the door closed only the answers bring the entries back.
	for _, family := range []int{4, 6} {
		flows, err := hostnet.ConnFlows(family)
		must(t, err)
		for _, f := range flows {
			must(t, conntrack.Delete(f))
		}
	}
	if !x.flows() || !six.flows() {
		t.Fatal("the connections did not come back; this test cannot fail")
	}
	w.cut(rs, s)
	if x.flows() {
		t.Error("the forwarded one goes on")
	}
	if six.flows() {
		t.Error("the one through docker-proxy goes on")
	}
}

func TestCutKnowsNothing(t *testing.T) {
	s := netinfo.Snapshot{}
	_, rs := machine(t, policy.Policy{DenyWith: policy.DenyDrop}, s)
	if r, err := New(hclog.NewNullLogger()).Cut(context.Background(), rs, s); r.Cut() || err != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// Run does the newest ask and drops the one that it overtakes.
func TestRun(t *testing.T) {
	c := New(hclog.NewNullLogger())
	s := netinfo.Snapshot{}
	_, rs := machine(t, open(nil), s)
	c.Ask(rs, s)
	c.Ask(rs, town())
	if got := <-c.asks; !got.s.Engine.Known {
		t.Error("the older ask was kept")
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	c.Ask(rs, s)
	stop()
	<-done
}

func TestWait(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	asks := make(chan ask, 1)
	if again, err := wait(ctx, 0, asks); again || err != nil {
		t.Errorf("nothing asked: %v, %v", again, err)
	}
	asks <- ask{}
	if again, err := wait(ctx, time.Millisecond, asks); !again || err != nil {
		t.Errorf("asked: %v, %v", again, err)
	}
	stop()
	if _, err := wait(ctx, time.Hour, asks); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}

// What was cut and comes back as its answers is cut again, unless the ruleset
// allows it by now; what looks like it and was opened properly is not.
func TestComesBack(t *testing.T) {
	s := town()
	back := "udp 172.17.0.2:80 > 192.0.2.10:4001 < 192.0.2.10:4001 > 192.0.2.1:8080"
	diverted := "udp 172.17.0.2:80 > 192.0.2.10:4001 < 192.0.2.10:4001 > 192.0.2.1:40848"
	for _, c := range []struct {
		name, was, now string
		change         func(*policy.Policy)
		want           bool
	}{
		{"udp", wanDNATUDP, back, func(p *policy.Policy) { p.Published = nil }, true},
		{"udp diverted", wanDNATUDP, diverted, func(p *policy.Policy) { p.Published = nil }, false},
		{"allowed again", wanDNATUDP, back, nil, false},
		{"another one", wanDNATUDP, "udp 172.17.0.2:80 > 192.0.2.10:4002", func(p *policy.Policy) { p.Published = nil }, false},
		{"tcp opened anew", direct, "tcp 172.17.0.2:80 > 192.0.2.10:4004", nil, false},
		{"tcp midstream", direct, "tcp 172.17.0.2:80 > 192.0.2.10:4004 midstream", nil, true},
	} {
		m, _ := machine(t, open(c.change), s)
		k := &knife{judge: newJudge(m, s, routes), trail: trail{}}
		k.trail.add(flow(t, c.was))
		if _, got := k.condemned(flow(t, c.now), false); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Ways to end a flow: only what is established, forwarded and tracked in its
// own direction is frozen.
func TestFreezable(t *testing.T) {
	p := newPlaces(town())
	opening := flow(t, wanDNAT)
	opening.TCP.State = hostnet.TCPSynReceived
	silent := flow(t, wanDNAT)
	silent.Status &^= assured
	for _, c := range []struct {
		name string
		f    hostnet.Flow
		want bool
	}{
		{"forwarded", flow(t, wanDNAT), true}, {"egress", flow(t, outgoing), true},
		{"being opened", opening, false}, {"not assured", silent, false},
		{"udp", flow(t, wanDNATUDP), false}, {"proxy", flow(t, wanProxy), false}, {"reversed", flow(t, answerDNAT), false},
	} {
		a, ok := p.attempt(c.f)
		if got := freezable(victim{c.f, a}); !ok || got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestServes(t *testing.T) {
	p := newPlaces(netinfo.Snapshot{Proxies: []netinfo.PublishedPort{
		{HostAddr: netip.MustParseAddr("0.0.0.0"), HostPort: 1, HostPortEnd: 1, Proto: netinfo.TCP},
		{HostAddr: netip.MustParseAddr("192.0.2.1"), HostPort: 2, HostPortEnd: 2, Proto: netinfo.TCP},
		{HostPort: 3, HostPortEnd: 9, Proto: netinfo.TCP}, // candidates only
	}})
	for text, want := range map[string]bool{"192.0.2.1:1": true, "[::1]:1": false, "192.0.2.1:2": true, "192.0.2.2:2": false, "192.0.2.1:3": false} {
		if got := p.serves(netinfo.TCP, netip.MustParseAddrPort(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// A port of a network that binds its ports to one address of the host is not
// served at the others: the host's own connections from there are its business.
func TestServesWhereTheNetworkBinds(t *testing.T) {
	s := town()
	i := slices.IndexFunc(s.Networks, func(n netinfo.Network) bool { return n.ID == "b" })
	s.Networks[i].BindAddr = netip.MustParseAddr("198.51.100.1")
	p := newPlaces(s)
	for text, want := range map[string]bool{"198.51.100.1:8080": true, "192.0.2.1:8080": false, "[2001:db8:1::1]:8080": false, "192.0.2.1:8086": true} {
		at := netip.MustParseAddrPort(text)
		if got := p.serves(netinfo.TCP, at); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
		own := hostnet.Flow{Proto: netinfo.TCP, Status: seen | assured | confirmed,
			Original: tuple(text, "[2001:db8::7]:4000"), Reply: tuple("[2001:db8::7]:4000", text)}
		if at.Addr().Is4() {
			own.Original, own.Reply = tuple(text, "203.0.113.7:4000"), tuple("203.0.113.7:4000", text)
		}
		own.TCP = hostnet.TCPFlow{State: 3, Midstream: true}
		if _, answers := p.attempt(own); answers != want {
			t.Errorf("a connection from %s is taken for an answer: %v, want %v", text, answers, want)
		}
	}
}

// many is how many connections a host may have to lose at once; muchTime is far
// more than that takes, for machines that are busy with other tests.
const (
	many     = 3000
	muchTime = 5 * time.Second
)

func TestCutManyFlows(t *testing.T) {
	w := newRealTown(t)
	rs, s := w.enforce()
	server := netip.MustParseAddrPort("192.0.2.1:9001")
	table, err := conntrack.Open()
	must(t, err)
	defer table.Close()
	for i := range many {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 4000)
		must(t, table.Divert(netinfo.UDP, client, server, netip.AddrPortFrom(client.Addr(), 40000)))
	}
	if r := w.cut(rs, s); r.Cut() || r.Looked > muchTime {
		t.Errorf("nothing to do: %+v", r)
	}
	w.policy.Published = nil
	rs, s = w.enforce()
	if r := w.cut(rs, s); r.Received != many || r.Looked > muchTime {
		t.Errorf("all to cut: %+v", r)
	}
}
