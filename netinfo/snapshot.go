package netinfo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Snapshot is everything the agent knows about the host at one moment.
type Snapshot struct {
	Engine     Engine      `json:"engine"`
	Links      []Link      `json:"links"`
	Networks   []Network   `json:"networks"`
	Containers []Container `json:"containers"`
	// Listeners are the host's own listening sockets that matter to policy:
	// dockerd's TCP sockets, and services on a port that a container which is not
	// running would publish, or that a block opens for a container.
	Listeners []Listener `json:"listeners,omitempty"`
	// Proxies are the ports that docker-proxy processes serve now, whichever
	// container they belong to: a port that Docker picked itself is seen here
	// before the engine reports it.
	Proxies []PublishedPort `json:"proxies,omitempty"`
	// Strangers are addresses seen on Docker bridges that belong to no
	// container the engine knows, such as an image build's.
	Strangers []Addr `json:"strangers,omitempty"`
	// Dialled are addresses in the subnets of Docker's bridges that a process of the
	// host has dialled and that no container has, nor one that is being started.
	Dialled []Addr `json:"dialled,omitempty"`
	// NameServers are those that Docker gives to containers, or that its resolver asks for
	// them, if a container was given none itself. Loopback addresses are not among them.
	NameServers []Addr `json:"name_servers,omitempty"`
	// Sightings are the addresses that packets were seen to come from, by the
	// bridge port they came in by, except those that the engine gave to the
	// container behind that port.
	Sightings []Place `json:"sightings,omitempty"`
	// Translations are the nat rules of other programs, in the order in which packets
	// meet them. Only agentctl reads them, for explain: the daemon does without.
	Translations []Translation `json:"translations,omitempty"`
	// Routes lead to addresses that lie behind a container (a VPN's clients): Link
	// is the bridge of a Docker network, and Gateway is usually a container on it.
	// Routes to the network's own subnets and default routes are not among them.
	Routes []Route `json:"routes,omitempty"`
	// OtherRoutes lead to addresses of Routes as well, by links that are no
	// Docker bridge: packets from these addresses may also come in there. Their
	// prefixes are cut to those of Routes, and they have no gateway.
	OtherRoutes []Route `json:"other_routes,omitempty"`
	// Proofs are what probes showed of the sockets on which dockerd listens for its
	// API and which other hosts may reach. A socket that was not asked yet is among
	// them.
	Proofs []Proof `json:"proofs,omitempty"`
}

// Engine is what is known of the Docker engine behind the snapshot.
type Engine struct {
	// Connected reports whether Networks and Containers were read from the engine
	// just now; false means they are the last ones it told, or none.
	Connected bool `json:"connected"`
	// Known reports whether Networks and Containers have been read at least once,
	// perhaps by an earlier run of the agent since this boot.
	Known bool `json:"known"`
	// Version as the engine says it, e.g. "28.5.2".
	Version string `json:"version,omitempty"`
	// FirewallBackend is /info's FirewallBackend.Driver (engine 28.1 and
	// later): iptables, nftables, iptables+firewalld, nftables+firewalld;
	// empty before.
	FirewallBackend string `json:"firewall_backend,omitempty"`
	// DataPathPort is the UDP port of the Swarm's VXLAN (docker swarm init
	// --data-path-port), which the engine of a manager tells; otherwise 0.
	DataPathPort uint16 `json:"data_path_port,omitempty"`
	// Error is why the engine is not connected, for status.
	Error string `json:"error,omitempty"`
	// Elsewhere says why the engine's networks are not in this host's network
	// namespace ("it runs rootless"); empty if they are, or if that is not known.
	Elsewhere string `json:"elsewhere,omitempty"`
	// Podman reports whether the engine is Podman, which makes the bridge of a network
	// when the first container of it starts, and names it otherwise than Docker does.
	Podman bool `json:"podman,omitempty"`
}

// firstNFTables is the first release of Docker that keeps its firewall in nftables if it is
// told to. Earlier ones can be told, and use iptables.
const firstNFTables = 29

// NFTables reports whether the engine keeps its own firewall in nftables, where it has no
// DOCKER-USER chain.
func (e Engine) NFTables() bool {
	return e.major() >= firstNFTables && strings.HasPrefix(e.FirewallBackend, "nftables")
}

// major is the first number of the version; 0 if there is none.
func (e Engine) major() int {
	first, _, _ := strings.Cut(e.Version, ".")
	major, _ := strconv.Atoi(first) // 0 with an error
	return major
}

// Listener is a listening socket of the host.
type Listener struct {
	// Addr is the local address; the unspecified address means every one of
	// its family (an IPv6 one may serve IPv4 too).
	Addr  Addr     `json:"addr"`
	Proto Protocol `json:"proto"`
	Port  uint16   `json:"port"`
	// Dockerd reports that the engine serves its API on the socket. Its other sockets
	// (Swarm's, those of metrics, reserved ports of containers) do not have it.
	Dockerd bool `json:"dockerd,omitempty"`
	// TLS and TLSVerify are dockerd's settings for its API on this socket. Neither
	// says whether dockerd asks for a client's certificate: it does with --tls alone,
	// and does not with --tlsverify=false. Only a probe proves what the socket does
	// (Proof).
	TLS       bool `json:"tls,omitempty"`
	TLSVerify bool `json:"tls_verify,omitempty"`
	// Container says that a process in a container holds the socket: one on the
	// host's network.
	Container bool `json:"container,omitempty"`
	// Unattributed says that it is not known whose process holds the socket: the host's or
	// a container's.
	Unattributed bool `json:"unattributed,omitempty"`
}

// Normalize sorts everything in place, so that equal facts are equal values.
func (s *Snapshot) Normalize() {
	for i := range s.Links {
		s.Links[i].normalize()
	}
	for i := range s.Networks {
		s.Networks[i].normalize()
	}
	for i := range s.Containers {
		s.Containers[i].normalize()
	}
	slices.SortFunc(s.Links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Index, b.Index))
	})
	slices.SortFunc(s.Networks, func(a, b Network) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.Containers, func(a, b Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.Listeners, func(a, b Listener) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
	})
	s.Listeners = slices.Compact(s.Listeners)
	sortPorts(&s.Proxies)
	slices.SortFunc(s.Proofs, Proof.Compare)
	slices.SortFunc(s.Strangers, Addr.Compare)
	s.Strangers = slices.Compact(s.Strangers)
	slices.SortFunc(s.Dialled, Addr.Compare)
	slices.SortFunc(s.NameServers, Addr.Compare)
	s.NameServers = slices.Compact(s.NameServers)
	slices.SortFunc(s.Sightings, Place.Compare)
	s.Sightings = slices.Compact(s.Sightings)
	for _, routes := range []*[]Route{&s.Routes, &s.OtherRoutes} {
		slices.SortFunc(*routes, Route.Compare)
		*routes = slices.Compact(*routes)
	}
}

// Network returns the network with this ID, and whether there is one.
func (s *Snapshot) Network(id string) (Network, bool) {
	i := slices.IndexFunc(s.Networks, func(n Network) bool { return n.ID == id })
	if i < 0 {
		return Network{}, false
	}
	return s.Networks[i], true
}

// WriteJSON writes the canonical form: sorted, indented, one trailing newline.
func (s *Snapshot) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}

// ReadJSON reads what WriteJSON wrote. Unknown fields are an error: they come
// from a newer version whose facts this one would silently ignore.
func ReadJSON(r io.Reader) (Snapshot, error) {
	var s Snapshot
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Snapshot{}, fmt.Errorf("reading a snapshot: %w", err)
	}
	s.Normalize()
	return s, nil
}
