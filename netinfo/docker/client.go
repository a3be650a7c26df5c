package docker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"dockwall/netinfo"
)

// remote is an engine behind Docker's client. One is made per connection, so
// that the API version is negotiated again when another engine comes back.
type remote struct {
	cli    *client.Client
	limit  time.Duration         // for the answer to a subscription
	dialed atomic.Pointer[error] // why the last dial failed; nil if it did not
	// podman is whether the engine is Podman; nil until it was asked.
	podman atomic.Pointer[bool]
}

// parseHost returns what to dial for a host such as unix:///var/run/docker.sock.
func parseHost(host string) (*url.URL, error) {
	u, err := client.ParseHostURL(host)
	if err != nil {
		return nil, fmt.Errorf("docker host %q: want unix:///path or tcp://host:port: %w", host, err)
	}
	switch u.Scheme {
	case "unix", "tcp", "http", "https":
		return u, nil
	}
	return nil, fmt.Errorf("docker host %q: the scheme %q is not supported: want unix:///path or tcp://host:port", host, u.Scheme)
}

// dial makes a client; nothing is sent yet.
func dial(host string, limit time.Duration) (engine, error) {
	u, err := parseHost(host)
	if err != nil {
		return nil, err
	}
	r := &remote{limit: limit}
	proto, addr := "tcp", u.Host
	if u.Scheme == "unix" {
		proto = "unix"
	}
	dialer := func(ctx context.Context, _, to string) (net.Conn, error) {
		if proto == "unix" {
			to = addr
		}
		c, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, proto, to)
		r.dialed.Store(nil)
		if err != nil {
			r.dialed.Store(&err)
		}
		return c, err
	}
	opts := []client.Opt{client.WithHost(host), client.WithDialContext(dialer), client.WithAPIVersionNegotiation()}
	if proto == "tcp" {
		opts = append([]client.Opt{client.WithTLSClientConfigFromEnv()}, opts...)
	}
	if r.cli, err = client.NewClientWithOpts(opts...); err != nil {
		return nil, fmt.Errorf("docker host %q: %w", host, err)
	}
	return r, nil
}

func (r *remote) Close() error { return r.cli.Close() }

func (r *remote) Ping(ctx context.Context) error {
	ping, err := r.cli.Ping(ctx)
	if err != nil {
		return r.reason(err)
	}
	r.cli.NegotiateAPIVersionPing(ping)
	return nil
}

// reason says why the engine cannot be reached in the kernel's words, which
// the client leaves out.
func (r *remote) reason(err error) error {
	host := r.cli.DaemonHost()
	if p := r.dialed.Load(); p != nil {
		var errno syscall.Errno
		if errors.As(*p, &errno) {
			return fmt.Errorf("cannot connect to %s: %w", host, errno)
		}
		return fmt.Errorf("cannot connect to %s: %w", host, *p)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s accepts connections but does not answer: %w", host, err)
	}
	return fmt.Errorf("asking %s: %w", host, err)
}

func (r *remote) Engine(ctx context.Context) (netinfo.Engine, census, error) {
	info, err := r.cli.Info(ctx)
	if err != nil {
		return netinfo.Engine{}, census{}, r.reason(err)
	}
	e := netinfo.Engine{Version: info.ServerVersion}
	if e.Version == "" {
		v, err := r.cli.ServerVersion(ctx)
		if err != nil {
			return netinfo.Engine{}, census{}, r.reason(err)
		}
		e.Version = v.Version
	}
	if info.FirewallBackend != nil {
		e.FirewallBackend = info.FirewallBackend.Driver
	}
	if slices.Contains(info.SecurityOptions, rootless) {
		e.Elsewhere = "it runs rootless, in a network namespace of its own"
	}
	e.Podman = r.isPodman(ctx)
	if c := info.Swarm.Cluster; c != nil && c.DataPathPort <= math.MaxUint16 {
		e.DataPathPort = uint16(c.DataPathPort)
	}
	return e, census{all: info.Containers, running: info.ContainersRunning, paused: info.ContainersPaused}, nil
}

// rootless is what /info lists among the security options of an engine that runs without
// root's rights (Docker and Podman).
const rootless = "name=rootless"

// isPodman reports whether the engine is Podman, by /version's components. It is asked
// once: an engine that does not answer is taken for Docker.
func (r *remote) isPodman(ctx context.Context) bool {
	if known := r.podman.Load(); known != nil {
		return *known
	}
	v, err := r.cli.ServerVersion(ctx)
	if err != nil {
		return false
	}
	is := slices.ContainsFunc(v.Components, func(c types.ComponentVersion) bool { return c.Name == "Podman Engine" })
	r.podman.Store(&is)
	return is
}

func (r *remote) Containers(ctx context.Context) ([]listing, []problem, error) {
	all, err := r.cli.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, nil, r.reason(err)
	}
	var d decoder
	out := make([]listing, 0, len(all))
	for i := range all {
		if l, ok := d.listing(&all[i]); ok {
			out = append(out, l)
		}
	}
	return out, d.problems, nil
}

func (r *remote) Container(ctx context.Context, id string) (sighting, []problem, error) {
	c, err := r.cli.ContainerInspect(ctx, id)
	if err != nil {
		return sighting{}, nil, r.missing(err)
	}
	var d decoder
	s, err := d.sighting(&c)
	if err == nil && s.id != id {
		err = fmt.Errorf("asked for container %s, got %s", id, s.id)
	}
	return s, d.problems, err
}

func (r *remote) Networks(ctx context.Context) ([]view, []problem, error) {
	all, err := r.cli.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, nil, r.reason(err)
	}
	var d decoder
	out := make([]view, 0, len(all))
	for i := range all {
		if all[i].ID == "" {
			d.note("the list of networks", errors.New("a network without ID"))
			continue
		}
		out = append(out, d.view(&all[i]))
	}
	return out, d.problems, nil
}

func (r *remote) Network(ctx context.Context, id string) (view, []problem, error) {
	n, err := r.cli.NetworkInspect(ctx, id, network.InspectOptions{})
	if err != nil {
		return view{}, nil, r.missing(err)
	}
	if n.ID != id {
		return view{}, nil, fmt.Errorf("asked for network %s, got %q", id, n.ID)
	}
	var d decoder
	return d.view(&n), d.problems, nil
}

func (r *remote) missing(err error) error {
	if errdefs.IsNotFound(err) {
		return fmt.Errorf("%w: %w", errNotFound, err)
	}
	return r.reason(err)
}

// watched are the only events asked for: a busy host's exec and health events
// would push these out of the engine's queue.
func watched() filters.Args {
	f := filters.NewArgs()
	for _, t := range []events.Type{events.ContainerEventType, events.NetworkEventType, events.DaemonEventType} {
		f.Add("type", string(t))
	}
	for _, a := range []events.Action{
		events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionDestroy, events.ActionRemove,
		events.ActionRename, events.ActionPause, events.ActionUnPause,
		events.ActionConnect, events.ActionDisconnect, events.ActionReload,
	} {
		f.Add("event", string(a))
	}
	return f
}

func (r *remote) Events(ctx context.Context) (<-chan event, <-chan error, error) {
	ctx, cancel := context.WithCancel(ctx)
	// The client waits for the answer's header without a limit of its own.
	limit := time.AfterFunc(r.limit, cancel)
	msgs, errs := r.cli.Events(ctx, events.ListOptions{Filters: watched()})
	if !limit.Stop() {
		cancel()
		return nil, nil, fmt.Errorf("%s does not answer the subscription to events", r.cli.DaemonHost())
	}
	select {
	case err := <-errs:
		cancel()
		return nil, nil, r.reason(err)
	default:
	}
	out, failed := make(chan event), make(chan error, 1)
	go func() {
		defer cancel()
		failed <- pump(ctx, msgs, errs, out)
	}()
	return out, failed, nil
}

// pump translates messages until the stream ends, and returns why it did.
func pump(ctx context.Context, msgs <-chan events.Message, errs <-chan error, out chan<- event) error {
	for {
		select {
		case err := <-errs:
			return fmt.Errorf("the event stream ended: %w", err)
		case m := <-msgs:
			select {
			case out <- translate(m):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func translate(m events.Message) event {
	e := event{kind: string(m.Type), action: string(m.Action), id: m.Actor.ID, attrs: m.Actor.Attributes}
	e.action, _, _ = strings.Cut(e.action, ":")
	if e.kind == string(events.NetworkEventType) {
		e.container = e.attrs["container"]
	}
	e.at = time.Unix(0, m.TimeNano)
	if m.TimeNano == 0 {
		e.at = time.Unix(m.Time, 0)
	}
	return e
}
