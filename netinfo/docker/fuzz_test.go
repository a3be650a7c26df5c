package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dockwall/netinfo"
)

// liar is an engine that answers everything with the same bytes.
type liar struct {
	body atomic.Pointer[[]byte]
	eng  engine
}

// lie starts a liar and a client of it.
func lie(f *testing.F) *liar {
	f.Helper()
	l := &liar{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.45")
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "/_ping") {
			_, _ = w.Write(*l.body.Load())
		}
	}))
	eng, err := dial("tcp://"+srv.Listener.Addr().String(), time.Second)
	if err != nil {
		f.Fatal(err)
	}
	l.eng = eng
	f.Cleanup(func() {
		eng.Close()
		srv.Close()
	})
	return l
}

const (
	fuzzContainer = `{"Id":"ID","Name":"/web","State":{"Status":"running","Running":true,"Pid":7},"Config":{"Image":"nginx","Labels":{"a":"b"}},
		"HostConfig":{"NetworkMode":"shop","PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8000-8010"}],"53-54/udp":[{"HostIp":"::","HostPort":"53-54"}],"x/tcp":[{}]}},
		"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8003"},{"HostIp":"::","HostPort":"8003"}],"81/tcp":null},
		"Networks":{"shop":{"EndpointID":"e2"},"nil":null}}}`
	fuzzContainers = `[{"Id":"ID","Names":["/other/alias","/web"],"Image":"nginx","State":"running","HostConfig":{"NetworkMode":"container:ID"},
		"NetworkSettings":{"Networks":{"shop":{"EndpointID":"e2"},"nil":null}}},{"Id":""},{"Id":"x","Names":null,"NetworkSettings":null}]`
	fuzzNetwork = `{"Id":"ID","Name":"shop","Driver":"bridge","Scope":"local","Options":{"com.docker.network.bridge.gateway_mode_ipv4":"routed",
		"com.docker.network.bridge.host_binding_ipv4":"192.0.2.1"},"IPAM":{"Config":[{"Subnet":"10.0.0.0/24","Gateway":"10.0.0.1"},{"Subnet":"fd00::/64","Gateway":"fd00::1/64"},null]},
		"Containers":{"ID":{"Name":"web","EndpointID":"e","IPv4Address":"10.0.0.2/24","IPv6Address":"fd00::2/64","MacAddress":"02:42:0a:00:00:02"},
		"ep-13":{"Name":"gateway_0123456789ab","EndpointID":"13","IPv4Address":"10.0.0.4/24"}}}`
	fuzzVersion = `{"Version":"28.5.2","ApiVersion":"1.51","ServerVersion":"28.5.2","FirewallBackend":{"Driver":"nftables"}}`
)

// FuzzAnswers: whatever the engine answers, through the real client, is either
// an error or facts that hold what is promised of them.
func FuzzAnswers(f *testing.F) {
	id := id64("web")
	for _, s := range []string{fuzzContainer, fuzzContainers, fuzzNetwork, "[" + fuzzNetwork + "]", fuzzVersion, "null", "[null]", "{}", "", "{", `{"Id":` + strings.Repeat("[", 2000)} {
		f.Add([]byte(strings.ReplaceAll(s, "ID", id)))
	}
	l := lie(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		l.body.Store(&body)
		b := newBook()
		begun := b.tick()
		conts, problems, err := l.eng.Containers(t.Context())
		checkProblems(t, problems, err)
		nets, problems, err := l.eng.Networks(t.Context())
		checkProblems(t, problems, err)
		b.listed(conts, nets, begun)
		checkFacts(t, b, body)
		for _, id := range idsIn(body, id) {
			s, problems, err := l.eng.Container(t.Context(), id)
			checkProblems(t, problems, err)
			if err == nil {
				b.inspected(s, b.tick())
			}
			v, problems, err := l.eng.Network(t.Context(), id)
			checkProblems(t, problems, err)
			if err == nil {
				b.seen(v, b.tick())
			}
			checkFacts(t, b, body)
		}
		if e, _, err := l.eng.Engine(t.Context()); err == nil {
			b.setEngine(e)
		}
		checkFacts(t, b, body)
	})
}

// idsIn are IDs that the engine would take for its own: the one the answer
// names, if it names one, and another.
func idsIn(body []byte, other string) []string {
	var o struct{ ID string }
	if json.Unmarshal(body, &o) == nil && o.ID != "" && !strings.ContainsAny(o.ID, "/?#%\x00") {
		return []string{o.ID, other}
	}
	return []string{other}
}

func checkProblems(t *testing.T, problems []problem, err error) {
	t.Helper()
	for _, p := range problems {
		if p.err == nil || p.object == "" {
			t.Fatalf("a problem without its words: %+v, %v", p, err)
		}
	}
}

// checkFacts holds the facts to what rules/compile relies on.
func checkFacts(t *testing.T, b *book, body []byte) {
	t.Helper()
	facts := b.facts()
	type place struct {
		network string
		addr    netip.Addr
	}
	owners := map[place]string{}
	for _, c := range facts.Containers {
		if len(c.Ports) > 2*maxPorts {
			t.Fatalf("%d ports out of %d bytes", len(c.Ports), len(body))
		}
		for _, p := range c.Ports {
			if p.ContainerPort == 0 || p.HostPort > p.HostPortEnd || p.Proto == netinfo.AnyProtocol || p.HostAddr.Is4In6() || p.HostAddr.Zone() != "" {
				t.Fatalf("published port %+v", p)
			}
		}
		for _, e := range c.Endpoints {
			if len(e.Addrs) == 0 {
				t.Fatalf("an endpoint without address: %+v", e)
			}
			for _, a := range e.Addrs {
				if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
					t.Fatalf("address %v", a)
				}
				if o, ok := owners[place{e.NetworkID, a}]; ok && o != c.ID {
					t.Fatalf("%v is with both %s and %s", a, o, c.ID)
				}
				owners[place{e.NetworkID, a}] = c.ID
			}
		}
	}
	for _, n := range facts.Networks {
		if n.ID == "" || slices.ContainsFunc(n.Subnets, func(p netip.Prefix) bool { return p != p.Masked() }) {
			t.Fatalf("network %+v", n)
		}
	}
}

// FuzzEvents: whatever comes on the stream of events, it is read to its end,
// and the facts stay what is promised of them.
func FuzzEvents(f *testing.F) {
	id := id64("web")
	for _, action := range []string{"create", "start", "die", "rename", "destroy", "pause", "health_status: healthy"} {
		f.Add([]byte(`{"Type":"container","Action":"` + action + `","Actor":{"ID":"` + id + `","Attributes":{"name":"web","image":"nginx"}},"time":1,"timeNano":2}`))
	}
	f.Add([]byte(`{"Type":"network","Action":"connect","Actor":{"ID":"n","Attributes":{"container":"` + id + `"}}}` + "\n" +
		`{"Type":"network","Action":"disconnect","Actor":{"ID":"n","Attributes":{"container":"` + id + `"}}}{"Type":"daemon","Action":"reload"}nonsense`))
	l := lie(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		l.body.Store(&body)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		b := known(id)
		events, failed, err := l.eng.Events(ctx)
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			select {
			case e := <-events:
				b.happen(e)
				checkFacts(t, b, body)
				continue
			case err := <-failed:
				if err == nil || errors.Is(err, context.DeadlineExceeded) || n > len(body) {
					t.Fatalf("the stream ended with %v after %d events of %d bytes", err, n, len(body))
				}
			}
			return
		}
	})
}

// known is a book that has a container with an address, so that events have
// something to take away.
func known(id string) *book {
	b := newBook()
	begun := b.tick()
	v := view{facts: netinfo.Network{ID: "n", Name: "shop", Driver: "bridge"}}
	v.endpoints = []claim{{id, netinfo.Endpoint{ID: "e", NetworkID: "n", Addrs: []netip.Addr{one("10.0.0.2", 0, 0, netinfo.TCP, 1)[0].HostAddr}}}}
	b.listed([]listing{{id: id, name: "web", state: "running"}}, []view{v}, begun)
	b.seen(v, b.tick())
	return b
}
