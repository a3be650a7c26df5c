package netinfo

import (
	"cmp"
	"slices"
)

// Container is a container of the engine, running or not.
type Container struct {
	ID    string `json:"id"`
	Name  string `json:"name"` // without the leading slash
	Image string `json:"image,omitempty"`
	// Labels as given; com.docker.compose.project and .service among them.
	Labels map[string]string `json:"labels,omitempty"`
	// Unread reports whether the engine was not asked yet, and has only told that it
	// is there: its ports are not known.
	Unread bool `json:"unread,omitempty"`
	// State is the engine's: created, running, paused, restarting, exited, dead.
	State string `json:"state"`
	// HostNetwork reports whether it runs in the host's own network namespace.
	HostNetwork bool `json:"host_network,omitempty"`
	// SharesWith is the ID of the container whose network it uses
	// (--network container:X); empty otherwise.
	SharesWith string `json:"shares_with,omitempty"`
	// Endpoints are its places on networks, one per network, that have an
	// address now. A container that has stopped has none.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Ports are the ports it publishes, as asked for (HostConfig.PortBindings,
	// known from `create` on) and as given (NetworkSettings.Ports). Those of a container
	// on the host's network are the ports on which its processes listen.
	Ports []PublishedPort `json:"ports,omitempty"`
	// NameServers are those that it was given for itself (docker run --dns); if empty,
	// it asks the snapshot's.
	NameServers []Addr `json:"name_servers,omitempty"`
	// ByHand are interfaces that lead out of its network namespace and that the engine did
	// not make, by their name in there, or by that of their end on the host.
	ByHand []string `json:"by_hand,omitempty"`
	// Judged reports whether the audit has judged it; Findings are the IDs of the checks
	// that fail on it and that no waiver accepts, sorted. Both are filled only where a
	// policy asks for them.
	Judged   bool     `json:"judged,omitempty"`
	Findings []string `json:"findings,omitempty"`
	// Released reports whether the operator let it go from quarantine.
	Released bool `json:"released,omitempty"`
}

// Endpoint is a container's place on one network.
type Endpoint struct {
	ID        string `json:"id,omitempty"`
	NetworkID string `json:"network_id"`
	// Addrs are its addresses, at most one per family.
	Addrs []Addr `json:"addrs"`
	// MAC as the engine prints it, 02:42:ac:11:00:02; empty where unknown.
	MAC string `json:"mac,omitempty"`
	// Seen are other addresses that something with this MAC was seen to use.
	// They are not the engine's word: they may restrict, never allow.
	Seen []Addr `json:"seen,omitempty"`
	// Disputed are those of Addrs that another container was seen to answer
	// for. What comes from one may be either's.
	Disputed []Addr `json:"disputed,omitempty"`
}

// PublishedPort is one host port, or a range of candidates, and the container
// port behind it.
type PublishedPort struct {
	// HostAddr is the host address it is bound to. Invalid: every address of
	// both families. Unspecified (0.0.0.0, ::): every address of that family.
	HostAddr Addr `json:"host_addr,omitzero"`
	// HostPort and HostPortEnd are the inclusive range of host ports; 0 means
	// that Docker picks one when the container starts, or that there is none
	// (routed mode).
	HostPort      uint16   `json:"host_port"`
	HostPortEnd   uint16   `json:"host_port_end"`
	Proto         Protocol `json:"proto"`
	ContainerPort uint16   `json:"container_port"`
}

// Running reports whether the container's processes may be running: everything but
// created, exited and dead.
func (c Container) Running() bool {
	return c.State != "created" && c.State != "exited" && c.State != "dead" && c.State != "removing"
}

func (c *Container) normalize() {
	for i := range c.Endpoints {
		slices.SortFunc(c.Endpoints[i].Addrs, Addr.Compare)
		slices.SortFunc(c.Endpoints[i].Seen, Addr.Compare)
		slices.SortFunc(c.Endpoints[i].Disputed, Addr.Compare)
	}
	slices.SortFunc(c.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.NetworkID, b.NetworkID) })
	slices.SortFunc(c.NameServers, Addr.Compare)
	c.NameServers = slices.Compact(c.NameServers)
	sortPorts(&c.Ports)
}

// SortPorts brings the ports into their canonical order, each once.
func (c *Container) SortPorts() { sortPorts(&c.Ports) }

// sortPorts sorts and removes duplicates.
func sortPorts(ps *[]PublishedPort) {
	slices.SortFunc(*ps, func(a, b PublishedPort) int {
		return cmp.Or(cmp.Compare(a.ContainerPort, b.ContainerPort), cmp.Compare(a.Proto, b.Proto),
			a.HostAddr.Compare(b.HostAddr), cmp.Compare(a.HostPort, b.HostPort), cmp.Compare(a.HostPortEnd, b.HostPortEnd))
	})
	*ps = slices.Compact(*ps)
}
