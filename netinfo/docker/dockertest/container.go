package dockertest

import (
	"maps"
	"slices"
)

// Container is what a container is made with.
type Container struct {
	Name     string
	Image    string
	Labels   map[string]string
	Networks []string // names; the default is bridge
	// NetworkMode is "host", "container:NAME" or "none"; it excludes Networks.
	NetworkMode string
	Ports       []Port
	// PID is what inspecting it says while it runs; 0 if the engine does not tell.
	PID int
}

// Port is one published port: Port is "80/tcp", HostPort a number, a range or
// empty.
type Port struct{ Port, HostIP, HostPort string }

type container struct {
	Container
	id    string
	state string
	busy  chan struct{} // closed when inspecting no longer blocks; nil if it does not
	given []Port
}

// Create makes a container and returns its ID.
func (e *Engine) Create(c Container) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(c.Networks) == 0 && c.NetworkMode == "" {
		c.Networks = []string{"bridge"}
	}
	n := &container{Container: c, id: e.newID(), state: "created"}
	e.conts = append(e.conts, n)
	e.byID[n.id] = n
	e.tell(n, "create")
	return n.id
}

func (e *Engine) cont(id string) *container {
	if c, ok := e.byID[id]; ok {
		return c
	}
	panic("dockertest: no container " + id)
}

// tell emits a container event.
func (e *Engine) tell(c *container, action string) {
	attrs := map[string]string{}
	maps.Copy(attrs, c.Labels)
	attrs["name"], attrs["image"] = c.Name, c.Image
	e.emit("container", action, c.id, attrs)
}

func (e *Engine) tellNet(s *segment, action string, c *container) {
	e.emit("network", action, s.id, map[string]string{"container": c.id, "name": s.Name, "type": s.Driver})
}

// Start starts a container: Begin and Finish.
func (e *Engine) Start(id string) {
	e.Begin(id)
	e.Finish(id)
}

// Begin starts a container up to where its process would run: it has its
// addresses, and inspecting it blocks.
func (e *Engine) Begin(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.cont(id)
	if c.busy == nil {
		c.busy = make(chan struct{})
	}
	for _, name := range c.Networks {
		s := e.net(name)
		e.join(c, s)
		e.tellNet(s, "connect", c)
	}
	if c.NetworkMode == "host" {
		e.tellNet(e.net("host"), "connect", c)
	}
}

// Finish lets the process run.
func (e *Engine) Finish(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.cont(id)
	c.state = "running"
	c.given = give(c.Ports)
	e.tell(c, "start")
	e.unblock(c)
}

// give is what Docker makes of ports asked for: both families, and a number
// where none or several were asked for.
func give(asked []Port) []Port {
	var out []Port
	for i, p := range asked {
		if len(p.HostPort) == 0 {
			p.HostPort = []string{"32768", "32769", "32770", "32771"}[i%4]
		}
		if len(p.HostPort) > 5 {
			p.HostPort = p.HostPort[:4]
		}
		if p.HostIP != "" {
			out = append(out, p)
			continue
		}
		for _, ip := range []string{"0.0.0.0", "::"} {
			out = append(out, Port{p.Port, ip, p.HostPort})
		}
	}
	return out
}

// SetPID changes the process that inspecting the container tells.
func (e *Engine) SetPID(id string, pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cont(id).PID = pid
}

// Block makes inspecting the container block until it is started, stopped or
// unblocked.
func (e *Engine) Block(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.cont(id); c.busy == nil {
		c.busy = make(chan struct{})
	}
}

// Unblock ends Block.
func (e *Engine) Unblock(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unblock(e.cont(id))
}

func (e *Engine) unblock(c *container) {
	if c.busy != nil {
		close(c.busy)
		c.busy = nil
	}
}

// Step is a part of what an engine does when a container ends. Between two
// steps other things may happen.
type Step struct {
	Name string // release, disconnect, die, stop
	Do   func()
}

// Exit gives the steps of a container's end, in the generation's order. stop
// means that docker stop asks for it.
func (e *Engine) Exit(id string, stop bool) []Step {
	e.mu.Lock()
	c := e.cont(id)
	held := e.held(c)
	e.mu.Unlock()
	locked := func(f func()) func() {
		return func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			f()
		}
	}
	release := Step{"release", locked(func() {
		for _, s := range held {
			s.part(c)
		}
	})}
	disconnect := Step{"disconnect", locked(func() {
		for _, s := range held {
			e.tellNet(s, "disconnect", c)
		}
	})}
	die := Step{"die", locked(func() {
		c.state, c.given = "exited", nil
		e.tell(c, "die")
		e.unblock(c)
	})}
	told := Step{"stop", locked(func() {
		if stop {
			e.tell(c, "stop")
		}
	})}
	if e.gen == Gen20 {
		return []Step{die, release, disconnect, told}
	}
	return []Step{release, disconnect, told, die}
}

func (e *Engine) held(c *container) []*segment {
	var out []*segment
	for _, s := range e.nets {
		if s.of(c) != nil {
			out = append(out, s)
		}
	}
	return out
}

// Stop is docker stop.
func (e *Engine) Stop(id string) { e.end(id, true) }

// Kill is a process that ends by itself, or by docker kill.
func (e *Engine) Kill(id string) { e.end(id, false) }

func (e *Engine) end(id string, stop bool) {
	for _, s := range e.Exit(id, stop) {
		s.Do()
	}
}

// Remove removes a container that does not run.
func (e *Engine) Remove(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.cont(id)
	delete(e.byID, id)
	e.conts = slices.DeleteFunc(e.conts, func(x *container) bool { return x == c })
	e.unblock(c)
	e.tell(c, "destroy")
}

// Connect is docker network connect of a running container.
func (e *Engine) Connect(id, network string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, s := e.cont(id), e.net(network)
	c.Networks = append(slices.Clone(c.Networks), s.Name)
	e.join(c, s)
	e.tellNet(s, "connect", c)
}

// Disconnect is docker network disconnect of a running container. Engines
// before 28 tell it twice.
func (e *Engine) Disconnect(id, network string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, s := e.cont(id), e.net(network)
	c.Networks = slices.DeleteFunc(slices.Clone(c.Networks), func(n string) bool { return n == s.Name })
	s.part(c)
	e.tellNet(s, "disconnect", c)
	if e.gen != Gen28 {
		e.tellNet(s, "disconnect", c)
	}
}

// Pause pauses a container.
func (e *Engine) Pause(id string) { e.turn(id, "paused", "pause") }

// Unpause lets it go on.
func (e *Engine) Unpause(id string) { e.turn(id, "running", "unpause") }

func (e *Engine) turn(id, state, action string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.cont(id)
	c.state = state
	e.tell(c, action)
}

// Rename gives a container another name.
func (e *Engine) Rename(id, name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.cont(id)
	old := c.Name
	c.Name = name
	for _, s := range e.nets {
		if p := s.of(c); p != nil {
			p.name = name
		}
	}
	e.emit("container", "rename", c.id, map[string]string{"name": name, "image": c.Image, "oldName": "/" + old})
}
