package docker

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"dockwall/netinfo"
	"dockwall/netinfo/docker/dockertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an engine and a source that follows it.
type bench struct {
	t      testing.TB
	engine *dockertest.Engine
	source *Source
	poked  chan struct{} // one slot
	stop   func()

	mu     sync.Mutex
	causes []string
}

func newEngine(t testing.TB, gen dockertest.Generation) *dockertest.Engine {
	t.Helper()
	// A test's own directory may be too long for a socket.
	dir, err := os.MkdirTemp("", "dw")
	if err != nil {
		t.Fatal(err)
	}
	e, err := dockertest.New(dir, gen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		os.RemoveAll(dir)
	})
	return e
}

// follow starts a source on an engine. Every time the facts change, no address
// may be with two containers.
func follow(t testing.TB, e *dockertest.Engine, opts ...Option) *bench {
	t.Helper()
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Off})
	opts = append([]Option{WithResync(time.Minute)}, opts...)
	s, err := New(e.Host(), log, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s.early = time.Minute // what events should tell is not to be told by a resync
	b := &bench{t: t, engine: e, source: s, poked: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, b.notify)
	}()
	b.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(b.stop)
	return b
}

func (b *bench) notify(cause string) {
	b.mu.Lock()
	b.causes = append(b.causes, cause)
	b.mu.Unlock()
	if twice := disputed(b.source.Facts()); twice != "" {
		b.t.Errorf("after %q: %s", cause, twice)
	}
	select {
	case b.poked <- struct{}{}:
	default:
	}
}

// disputed names an address that two containers have on one network.
func disputed(f Facts) string {
	type spot struct {
		network string
		addr    netip.Addr
	}
	owners := map[spot]string{}
	for _, c := range f.Containers {
		for _, e := range c.Endpoints {
			for _, a := range e.Addrs {
				if o, ok := owners[spot{e.NetworkID, a}]; ok {
					return a.String() + " is with " + o + " and " + c.Name
				}
				owners[spot{e.NetworkID, a}] = c.Name
			}
		}
	}
	return ""
}

// until waits for the facts to be so.
func (b *bench) until(what string, ok func(Facts) bool) Facts {
	b.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		f := b.source.Facts()
		if ok(f) {
			return f
		}
		select {
		case <-b.poked:
		case <-deadline:
			b.t.Fatalf("%s did not come true\nhistory: %s\nfacts: %+v", what, strings.Join(b.engine.History(), "; "), f)
		}
	}
}

func (b *bench) connected() Facts {
	b.t.Helper()
	return b.until("being connected", func(f Facts) bool { return f.Engine.Connected })
}

var loose = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(x, y netip.Addr) bool { return x == y }),
	cmp.Comparer(func(x, y netip.Prefix) bool { return x == y })}

// difference is what the facts lack to be the engine's truth.
func (b *bench) difference() string {
	nets, conts := b.engine.Truth()
	f := b.source.Facts()
	return cmp.Diff(nets, f.Networks, loose) + cmp.Diff(conts, f.Containers, loose)
}

// truth waits for the facts to be the engine's truth.
func (b *bench) truth() {
	b.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		diff := b.difference()
		if diff == "" {
			return
		}
		select {
		case <-b.poked:
		case <-deadline:
			b.t.Fatalf("the facts did not become the truth (-want +got)\n%s\nhistory: %s", diff, strings.Join(b.engine.History(), "; "))
		}
	}
}

// addrs are the addresses of a container.
func addrs(f Facts, id string) []string {
	var out []string
	for _, c := range f.Containers {
		for _, e := range c.Endpoints {
			for _, a := range e.Addrs {
				if c.ID == id {
					out = append(out, a.String())
				}
			}
		}
	}
	return out
}

func containerOf(f Facts, id string) netinfo.Container {
	for _, c := range f.Containers {
		if c.ID == id {
			return c
		}
	}
	return netinfo.Container{}
}

// every runs f for every generation of engines.
func every(t *testing.T, f func(*testing.T, dockertest.Generation)) {
	for _, gen := range []dockertest.Generation{dockertest.Gen20, dockertest.Gen26, dockertest.Gen28} {
		t.Run(gen.String(), func(t *testing.T) { f(t, gen) })
	}
}

func TestNewRefusesHosts(t *testing.T) {
	for _, host := range []string{"", "docker.sock", "ssh://host", "npipe:////./pipe/docker_engine"} {
		if _, err := New(host, nil); err == nil {
			t.Errorf("New(%q): no error", host)
		}
	}
}

func TestFirstReading(t *testing.T) {
	every(t, func(t *testing.T, gen dockertest.Generation) {
		t.Setenv("DOCKER_API_VERSION", "1.99")
		e := newEngine(t, gen)
		shop := e.CreateNetwork(dockertest.Network{Name: "shop", Subnet: "10.9.0.0/24", Subnet6: "fd00:9::/64", Internal: true})
		e.CreateNetwork(dockertest.Network{Name: "lan", Driver: "macvlan"})
		web := e.Create(dockertest.Container{
			Name: "web", Image: "nginx:1", Labels: map[string]string{"tier": "front"}, Networks: []string{"shop", "lan"},
			Ports: []dockertest.Port{{Port: "443/tcp", HostPort: "8443"}, {Port: "53/udp", HostIP: "[::1]", HostPort: "53"}, {Port: "99/sctp"}},
		})
		e.Start(web)
		e.Create(dockertest.Container{Name: "idle", Ports: []dockertest.Port{{Port: "80/tcp", HostPort: "8000-8010"}}})
		e.Start(e.Create(dockertest.Container{Name: "node", NetworkMode: "host"}))
		e.Start(e.Create(dockertest.Container{Name: "sidecar", NetworkMode: "container:web"}))
		b := follow(t, e)
		f := b.connected()
		if diff := b.difference(); diff != "" {
			t.Errorf("facts when first connected (-want +got)\n%s", diff)
		}
		version, backend := f.Engine.Version, f.Engine.FirewallBackend
		if version != gen.String() || !f.Engine.Known || (backend == "iptables") != (gen == dockertest.Gen28) {
			t.Errorf("engine: %+v", f.Engine)
		}
		if got := addrs(f, web); len(got) != 3 || containerOf(f, web).Endpoints[0].NetworkID == "" || shop == "" {
			t.Errorf("addresses of web: %q", got)
		}
	})
}
