package docker

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"dockwall/netinfo"
)

// errNotFound is what reading a container or network gives that is not there.
var errNotFound = errors.New("not found")

// engine is what this package asks of a Docker engine.
type engine interface {
	prober
	containerReader
	networkReader
	Close() error
}

type prober interface {
	// Ping reports whether the engine answers.
	Ping(context.Context) error
	// Engine reads the version and the firewall backend, and how many containers
	// there are.
	Engine(context.Context) (netinfo.Engine, census, error)
	// Events returns once the engine has accepted the subscription. The error
	// channel gives one error, after which the stream is over.
	Events(context.Context) (<-chan event, <-chan error, error)
}

type containerReader interface {
	// Containers lists all containers, running or not.
	Containers(context.Context) ([]listing, []problem, error)
	// Container reads one container. It blocks while the container starts.
	Container(ctx context.Context, id string) (sighting, []problem, error)
}

type networkReader interface {
	// Networks lists the networks, without their endpoints.
	Networks(context.Context) ([]view, []problem, error)
	// Network reads one network with its endpoints.
	Network(ctx context.Context, id string) (view, []problem, error)
}

// problem is something in an answer that could not be read; the rest was.
type problem struct {
	object string // "container web-1", "network shop"
	err    error
}

// census is how many containers an engine has: all of them, and of these the
// running and the paused ones.
type census struct{ all, running, paused int }

// event is one message of the event stream.
type event struct {
	kind      string // container, network or daemon
	action    string
	id        string            // of the container or network
	container string            // of a network event: the container's ID
	attrs     map[string]string // name, image; a container event's labels too
	at        time.Time
}

// listing is a container as the list of containers shows it.
type listing struct {
	id, name, image string
	labels          map[string]string
	state           string
	netMode         string
	// run distinguishes one run of the container from the next: its endpoint IDs.
	run string
}

// sighting is a container as inspecting it shows it.
type sighting struct {
	listing
	pid       int
	asked     []netinfo.PublishedPort // HostConfig.PortBindings
	given     []netinfo.PublishedPort // NetworkSettings.Ports
	endpoints []string                // endpoint IDs
	dns       []netip.Addr            // HostConfig.DNS
}

// view is a network and its containers.
type view struct {
	facts     netinfo.Network
	endpoints []claim
	// joining are the addresses of endpoints that are joining or leaving.
	joining []netip.Addr
}

// addrs are the addresses of all endpoints.
func (v view) addrs() []netip.Addr {
	all := slices.Clone(v.joining)
	for _, c := range v.endpoints {
		all = append(all, c.ep.Addrs...)
	}
	return all
}

// claim is one endpoint of a network as NetworkInspect lists it.
type claim struct {
	holder string // see holderOf
	ep     netinfo.Endpoint
}
