package dockertest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

// Generation is a family of engines that order their events alike.
type Generation int

// The generations.
const (
	Gen20 Generation = iota // 20.10: die, disconnect, stop
	Gen26                   // 23.0 to 27.x: disconnect, stop, die
	Gen28                   // 28.0 and later
)

func (g Generation) version() (engine, api string) {
	switch g {
	case Gen20:
		return "20.10.24", "1.41"
	case Gen26:
		return "26.1.5", "1.45"
	}
	return "28.5.2", "1.51"
}

// String gives the engine's version.
func (g Generation) String() string { v, _ := g.version(); return v }

// Engine is a Docker engine without processes.
type Engine struct {
	gen  Generation
	path string

	mu       sync.Mutex
	server   *http.Server
	served   chan struct{}
	serial   int
	nets     []*segment
	conts    []*container
	byID     map[string]*container
	streams  map[*stream]struct{}
	mute     bool
	fault    Fault
	backend  string
	requests map[string]int
	history  []string
	clock    time.Duration // ahead of ours
}

// New starts an engine on a socket in dir, with the networks a new engine has:
// bridge, host and none.
func New(dir string, gen Generation) (*Engine, error) {
	e := &Engine{
		gen: gen, path: filepath.Join(dir, "docker.sock"), byID: map[string]*container{},
		streams: map[*stream]struct{}{}, requests: map[string]int{},
	}
	if gen == Gen28 {
		e.backend = "iptables"
	}
	e.addNetwork(Network{Name: "bridge", Subnet: "172.17.0.0/16", Options: map[string]string{"com.docker.network.bridge.name": "docker0"}})
	e.addNetwork(Network{Name: "host", Driver: "host"})
	e.addNetwork(Network{Name: "none", Driver: "null"})
	return e, e.Up()
}

// Host is where the engine listens, as the agent's configuration has it.
func (e *Engine) Host() string { return "unix://" + e.path }

// Up makes the engine listen.
func (e *Engine) Up() error {
	l, err := net.Listen("unix", e.path)
	if err != nil {
		return fmt.Errorf("starting the fake engine: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.server, e.served = &http.Server{Handler: http.HandlerFunc(e.serve)}, make(chan struct{})
	go func(s *http.Server, done chan struct{}) {
		defer close(done)
		_ = s.Serve(l)
	}(e.server, e.served)
	return nil
}

// Down stops the daemon: the socket is gone and every stream is cut. The
// containers go on, as with live-restore; nothing is told of what happens to
// them at the same time.
func (e *Engine) Down() {
	e.mu.Lock()
	s, done := e.server, e.served
	e.server = nil
	e.mu.Unlock()
	if s == nil {
		return
	}
	s.Close()
	<-done
}

// Close stops the engine for good.
func (e *Engine) Close() { e.Down() }

// Restart is a plain restart of the daemon: containers stop, and the default
// bridge gets another ID. Their stop is told, as far as the clients hear it.
func (e *Engine) Restart() error {
	for _, id := range e.running() {
		e.Stop(id)
	}
	e.Down()
	e.mu.Lock()
	for _, n := range e.nets {
		if n.Name == "bridge" {
			n.id = e.newID()
		}
	}
	e.mu.Unlock()
	return e.Up()
}

func (e *Engine) running() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []string
	for _, c := range e.conts {
		if c.state == "running" || c.state == "paused" {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// Interpose lets f see every request first; nil ends that.
func (e *Engine) Interpose(f Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fault = f
}

// DropEvents makes the engine lose every event from now on, or no longer.
func (e *Engine) DropEvents(drop bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mute = drop
}

// SetClock puts the clock that events are stamped with ahead of ours, or behind
// where it is negative.
func (e *Engine) SetClock(ahead time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clock = ahead
}

// SetFirewallBackend changes what /info says, and sends a reload event.
func (e *Engine) SetFirewallBackend(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.backend = name
	e.emit("daemon", "reload", "", nil)
}

// Requests is how often the path was asked for; IDs in it are written as "{id}".
func (e *Engine) Requests(path string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests[path]
}

// History lists the events that happened, lost ones included: "type action name".
func (e *Engine) History() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.history...)
}

// newID returns 64 digits that are not in use yet.
func (e *Engine) newID() string {
	e.serial++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d", e.serial))
	return hex.EncodeToString(sum[:])
}
