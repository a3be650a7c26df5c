package dockertest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	versioned = regexp.MustCompile(`^/v1\.[0-9]+`)
	anID      = regexp.MustCompile(`[0-9a-f]{64}`)
)

func (e *Engine) serve(w http.ResponseWriter, r *http.Request) {
	r.URL.Path = versioned.ReplaceAllString(r.URL.Path, "")
	path := anID.ReplaceAllString(r.URL.Path, "{id}")
	e.mu.Lock()
	e.requests[path]++
	fault := e.fault
	e.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	e.route(w, r)
}

// route answers as a healthy engine does.
func (e *Engine) route(w http.ResponseWriter, r *http.Request) {
	id := anID.FindString(r.URL.Path)
	switch anID.ReplaceAllString(r.URL.Path, "{id}") {
	case "/_ping":
		e.servePing(w)
	case "/version":
		engine, api := e.gen.version()
		answer(w, map[string]any{"Version": engine, "ApiVersion": api, "MinAPIVersion": "1.24"})
	case "/info":
		e.serveInfo(w)
	case "/events":
		e.serveEvents(w, r)
	case "/containers/json":
		e.serveContainers(w, r)
	case "/containers/{id}/json":
		e.serveContainer(w, r, id)
	case "/networks":
		e.serveNetworks(w)
	case "/networks/{id}":
		e.serveNetwork(w, id)
	default:
		missing(w, "page")
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func missing(w http.ResponseWriter, what string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": "No such " + what})
}

func (e *Engine) servePing(w http.ResponseWriter) {
	_, api := e.gen.version()
	w.Header().Set("Api-Version", api)
	w.Header().Set("Ostype", "linux")
	_, _ = w.Write([]byte("OK"))
}

func (e *Engine) serveInfo(w http.ResponseWriter) {
	e.mu.Lock()
	backend := e.backend
	states := map[string]int{}
	for _, c := range e.conts {
		states[c.state]++
	}
	total := len(e.conts)
	e.mu.Unlock()
	info := map[string]any{"ServerVersion": e.gen.String(), "Containers": total,
		"ContainersRunning": states["running"], "ContainersPaused": states["paused"]}
	if backend != "" {
		info["FirewallBackend"] = map[string]any{"Driver": backend}
	}
	answer(w, info)
}

type binding struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

type endpointJSON struct {
	NetworkID, EndpointID, IPAddress, GlobalIPv6Address, MacAddress string
}

type summaryJSON struct {
	ID              string `json:"Id"`
	Names           []string
	Image           string
	Labels          map[string]string
	State           string
	HostConfig      struct{ NetworkMode string }
	NetworkSettings struct{ Networks map[string]endpointJSON }
}

func (e *Engine) serveContainers(w http.ResponseWriter, r *http.Request) {
	ids, all := filter(r, "id"), r.URL.Query().Get("all") == "1"
	e.mu.Lock()
	out := []summaryJSON{}
	for _, c := range e.conts {
		if !all && c.state != "running" && c.state != "paused" {
			continue
		}
		if len(ids) > 0 && !slices.Contains(ids, c.id) {
			continue
		}
		s := summaryJSON{ID: c.id, Names: []string{"/" + c.Name}, Image: c.Image, Labels: c.Labels, State: c.state}
		s.HostConfig.NetworkMode = e.mode(c)
		s.NetworkSettings.Networks = e.endpoints(c)
		out = append(out, s)
	}
	e.mu.Unlock()
	answer(w, out)
}

// mode is how the engine gives the network mode back: a reference to another
// container as its ID.
func (e *Engine) mode(c *container) string {
	if ref, ok := strings.CutPrefix(c.NetworkMode, "container:"); ok {
		for _, o := range e.conts {
			if o.Name == ref {
				return "container:" + o.id
			}
		}
	}
	if c.NetworkMode == "" && len(c.Networks) > 0 {
		return c.Networks[0]
	}
	return c.NetworkMode
}

func (e *Engine) endpoints(c *container) map[string]endpointJSON {
	out := map[string]endpointJSON{}
	for _, s := range e.nets {
		if p := s.of(c); p != nil {
			out[s.Name] = endpointJSON{s.id, p.id, text(p.v4.IsValid(), p.v4.String()), text(p.v6.IsValid(), p.v6.String()), p.mac}
		}
	}
	return out
}

func text(ok bool, s string) string {
	if ok {
		return s
	}
	return ""
}

type containerJSON struct {
	ID    string `json:"Id"`
	Name  string
	State struct {
		Status          string
		Running, Paused bool
		Pid             int
	}
	Config struct {
		Image  string
		Labels map[string]string
	}
	HostConfig struct {
		NetworkMode  string
		PortBindings map[string][]binding
	}
	NetworkSettings struct {
		Ports    map[string][]binding
		Networks map[string]endpointJSON
	}
}

func (e *Engine) serveContainer(w http.ResponseWriter, r *http.Request, id string) {
	e.mu.Lock()
	c, ok := e.byID[id]
	for ok && c.busy != nil {
		busy := c.busy
		e.mu.Unlock()
		select {
		case <-busy:
		case <-r.Context().Done():
			return
		}
		e.mu.Lock()
		c, ok = e.byID[id]
	}
	if !ok {
		e.mu.Unlock()
		missing(w, "container: "+id)
		return
	}
	j := containerJSON{ID: c.id, Name: "/" + c.Name}
	j.State.Status, j.State.Paused = c.state, c.state == "paused"
	if j.State.Running = c.state == "running" || c.state == "paused"; j.State.Running {
		j.State.Pid = c.PID
	}
	j.Config.Image, j.Config.Labels = c.Image, c.Labels
	j.HostConfig.NetworkMode, j.HostConfig.PortBindings = e.mode(c), bindings(c.Ports)
	j.NetworkSettings.Ports, j.NetworkSettings.Networks = bindings(c.given), e.endpoints(c)
	e.mu.Unlock()
	answer(w, j)
}

func bindings(ports []Port) map[string][]binding {
	out := map[string][]binding{}
	for _, p := range ports {
		out[p.Port] = append(out[p.Port], binding{p.HostIP, p.HostPort})
	}
	return out
}

type networkJSON struct {
	ID                  string `json:"Id"`
	Name, Driver, Scope string
	Internal            bool
	IPAM                struct{ Config []ipamJSON }
	Options             map[string]string
	Containers          map[string]attachedJSON
}

type ipamJSON struct{ Subnet, Gateway string }

type attachedJSON struct{ Name, EndpointID, MacAddress, IPv4Address, IPv6Address string }

func (s *segment) json(attached bool) networkJSON {
	j := networkJSON{ID: s.id, Name: s.Name, Driver: s.Driver, Scope: "local", Internal: s.Internal, Options: s.Options}
	for _, sub := range []string{s.Subnet, s.Subnet6} {
		if sub != "" {
			j.IPAM.Config = append(j.IPAM.Config, ipamJSON{sub, s.gateway(sub).String()})
		}
	}
	if !attached {
		return j
	}
	j.Containers = make(map[string]attachedJSON, len(s.places))
	for _, p := range s.places {
		j.Containers[p.key] = attachedJSON{
			p.name, p.id, p.mac,
			text(p.v4.IsValid(), p.v4.String()+"/"+strconv.Itoa(bits(s.Subnet))),
			text(p.v6.IsValid(), p.v6.String()+"/"+strconv.Itoa(bits(s.Subnet6))),
		}
	}
	return j
}

func (e *Engine) serveNetworks(w http.ResponseWriter) {
	e.mu.Lock()
	out := []networkJSON{}
	for _, s := range e.nets {
		out = append(out, s.json(false))
	}
	e.mu.Unlock()
	answer(w, out)
}

func (e *Engine) serveNetwork(w http.ResponseWriter, id string) {
	e.mu.Lock()
	i := slices.IndexFunc(e.nets, func(s *segment) bool { return s.id == id })
	var j networkJSON
	if i >= 0 {
		j = e.nets[i].json(true)
	}
	e.mu.Unlock()
	if i < 0 {
		missing(w, "network: "+id)
		return
	}
	answer(w, j)
}
