package docker

import "strings"

// Sandbox is the network namespace of a running container, and what the engine has put
// into it.
type Sandbox struct {
	// PID is the container's first process, as the engine numbers it.
	PID int
	// None: the container was started with --network none.
	None bool
	// Endpoints is how many networks the engine has connected it to.
	Endpoints int
}

// Sandboxes returns the network namespaces that running containers have of their own, by
// the container's ID.
func (s *Source) Sandboxes() map[string]Sandbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Sandbox, len(s.book.conts))
	for id, r := range s.book.conts {
		if r.pid == 0 || r.netMode == "host" || strings.HasPrefix(r.netMode, "container:") {
			continue
		}
		all[id] = Sandbox{PID: r.pid, None: r.netMode == "none", Endpoints: len(strings.Fields(r.run))}
	}
	return all
}
