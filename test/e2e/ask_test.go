package e2e_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"dockwall/test/lab"
	"dockwall/test/scenario"
)

// allowTime is how long an expected allow is tried: the agent may take some
// milliseconds after Docker has said that a container runs.
const allowTime = 2 * time.Second

// ask turns a scenario's question into one that the lab can ask.
func (p *player) ask(a scenario.Ask) lab.Ask {
	p.t.Helper()
	addr := p.address(a)
	if !addr.IsValid() {
		p.t.Fatalf("line %d: %s: there is no such address", p.line, a.Text)
	}
	port := a.Port
	if a.PortOf != "" {
		port = p.given(a.PortOf, a.Port, a.Proto)
	}
	return lab.Ask{From: p.client(a.From), Proto: a.Proto, Addr: addr, Port: port}
}

// given is the host port that Docker gave to a container's.
func (p *player) given(name string, port uint16, proto string) uint16 {
	p.t.Helper()
	printed := p.host.Docker("port", p.container(name).ID, fmt.Sprintf("%d/%s", port, proto))
	line, _, _ := strings.Cut(printed, "\n")
	n, err := strconv.ParseUint(line[strings.LastIndex(line, ":")+1:], 10, 16)
	if err != nil {
		p.t.Fatalf("line %d: docker port %s: %q", p.line, name, printed)
	}
	return uint16(n)
}

// client is a place that packets come from.
func (p *player) client(name string) *lab.Client {
	p.t.Helper()
	switch name {
	case "host", "wan", "wan2", "lan":
		return p.host.Client(name)
	}
	return p.container(name).Client()
}

func (p *player) container(name string) *lab.Container {
	p.t.Helper()
	c, ok := p.containers[name]
	if !ok {
		p.t.Fatalf("line %d: there is no container %q", p.line, name)
	}
	return c
}

func (p *player) address(a scenario.Ask) netip.Addr {
	p.t.Helper()
	switch place := a.Place; place.Name {
	case "":
		return netip.MustParseAddr(place.Address)
	case "host":
		return p.host.HostAddr("eth0", a.Family)
	case "host.lan":
		return p.host.HostAddr("eth1", a.Family)
	case "host.local":
		return p.host.HostLinkLocal()
	case "wan", "wan2", "lan":
		return p.host.ClientAddr(place.Name, a.Family)
	case "gateway":
		return p.gateway(a.From, place.Network, a.Family)
	default:
		network := place.Network
		if network == "" {
			network = p.network(place.Name)
		}
		return p.container(place.Name).Addr(network, a.Family)
	}
}

// network is the first network that the container was put on.
func (p *player) network(name string) string {
	if network, ok := p.networks[name]; ok {
		return network
	}
	return "bridge"
}

// gateway is that of the network of the container that asks.
func (p *player) gateway(from, network string, family int) netip.Addr {
	p.t.Helper()
	if network == "" {
		network = p.network(from)
	}
	const format = `{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}} {{end}}`
	for _, word := range strings.Fields(p.host.Docker("network", "inspect", "--format", format, network)) {
		if prefix, err := netip.ParsePrefix(word); err == nil && prefix.Addr().Is6() == (family == 6) {
			// An older engine's IPv6 gateway is not listed: it is the first address.
			return prefix.Masked().Addr().Next()
		}
	}
	return netip.Addr{}
}

// question is an Ask with what is expected of it.
type question struct {
	line    int
	text    string
	ask     lab.Ask
	verdict scenario.Verdict
}

func (q question) holds(r lab.Result) bool {
	if !q.verdict.Allow {
		return !r.OK
	}
	return r.OK && (q.verdict.Server == "" || r.Server() == q.verdict.Server)
}

func (q question) String() string {
	want := "deny"
	if q.verdict.Allow {
		want = "allow " + q.verdict.Server
	}
	return fmt.Sprintf("line %d: %s (%s): want %s", q.line, q.text, q.ask, want)
}

// expect asks all at the same time. Denials must hold at once, what is allowed
// may take a moment.
func (p *player) expect(questions []question) {
	p.t.Helper()
	deadline := time.Now().Add(allowTime)
	for left := questions; len(left) > 0; {
		asks := make([]lab.Ask, len(left))
		for i, q := range left {
			asks[i] = q.ask
		}
		var again []question
		for i, r := range p.host.DialAll(asks) {
			q := left[i]
			switch {
			case q.holds(r):
			case q.verdict.Allow && time.Now().Before(deadline):
				again = append(again, q)
			default:
				p.fail("%s, got %s", q, r)
			}
		}
		left = again
	}
}

// eventually asks one question until it holds, and says how long that took.
func (p *player) eventually(q question, limit time.Duration) {
	p.t.Helper()
	began := time.Now()
	for {
		asked := time.Since(began)
		r := q.ask.From.Dial(q.ask.Proto, q.ask.Addr, q.ask.Port)
		if q.holds(r) {
			p.t.Logf("line %d: %s: after %v", q.line, q.text, asked.Round(time.Millisecond))
			return
		}
		if asked > limit {
			p.fail("%s within %v, got %s", q, limit, r)
			return
		}
	}
}
