package audit

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"dockwall/netinfo"
	"dockwall/netinfo/docker"
	"dockwall/netinfo/hostfile"
	"dockwall/netinfo/hostnet"
	"dockwall/netinfo/inventory"
	rules "dockwall/rules/audit"
)

// Options say what to gather.
type Options struct {
	// Docker is where the engine listens, such as unix:///var/run/docker.sock.
	Docker string
	// Root is where the host's files are; "/" if empty.
	Root string
	// Container limits what is read of the engine to the containers of this name or ID,
	// and those whose namespaces they share; if empty, all, and the images.
	Container string
	// Now is the time.
	Now time.Time
}

// answerTime is how long the engine may take for one answer.
const answerTime = 10 * time.Second

// processReads is how many containers' processes are read at a time.
const processReads = 8

// Gather reads the inventory.
func Gather(ctx context.Context, o Options) inventory.Inventory {
	in := inventory.Inventory{Now: o.Now.Unix()}
	files := hostfile.Reader{Root: cmp.Or(o.Root, "/")}
	docker.Inventory(ctx, o.Docker, answerTime, &in)
	sockets := readSockets(o.Docker)
	in.Daemon = daemon(files, sockets, &in)
	paths, folders := rules.Files(&in.Daemon)
	socket, _ := strings.CutPrefix(o.Docker, "unix://")
	if socket != o.Docker {
		paths = append(paths, socket)
	}
	for _, f := range folders {
		paths = append(append(paths, f), files.Below(f)...)
	}
	in.Host = files.Host(paths, socket)
	in.Host.AuditRules = inventory.Of(hostnet.AuditRules())
	in.Host.Services = sockets.services(&in)
	complete(files, &in, o.Container)
	return in
}

// complete adds what the kernel says of the containers' processes.
func complete(files hostfile.Reader, in *inventory.Inventory, only string) {
	processes := files.Processes()
	var g errgroup.Group
	g.SetLimit(processReads)
	for i := range in.Containers.Value {
		if c := &in.Containers.Value[i]; only == "" || rules.Named(c, only) {
			g.Go(func() error {
				processes.Complete(c)
				addLinks(files.Root, c)
				return nil
			})
		}
	}
	_ = g.Wait()
}

// sockets are the host's, and what dockerd has of them.
type sockets struct {
	listening []hostnet.Socket
	homes     map[uint64]hostnet.Residence
	engine    []netinfo.Listener
	proxies   []hostnet.Proxy
	args      inventory.Fact[[]string]
	err       error
}

func readSockets(host string) sockets {
	var s sockets
	scanner := hostnet.NewScanner("/proc").WithEngine(host)
	if s.listening, s.err = hostnet.Listeners(); s.err != nil {
		s.args = inventory.Unread[[]string](s.err.Error())
		return s
	}
	s.engine, s.err = scanner.Dockerd(s.listening)
	s.args = inventory.Unread[[]string]("no dockerd of this host can be told from others")
	if args, ok := scanner.DockerdArgs(); ok {
		s.args = inventory.Known(args)
	}
	if proxies, err := scanner.Proxies(); err == nil {
		s.proxies = proxies
	}
	s.homes = scanner.Homes(s.listening)
	return s
}

func daemon(files hostfile.Reader, s sockets, in *inventory.Inventory) inventory.Daemon {
	d := inventory.Daemon{Args: s.args, FilePath: "/etc/docker/daemon.json", SocketUnits: files.SocketUnit()}
	if path, _ := d.Setting("config-file"); path.Last() != "" {
		d.FilePath = path.Last()
	}
	d.File = files.DaemonFile(d.FilePath)
	switch {
	case s.err != nil:
		d.API = inventory.Unread[[]inventory.APISocket](s.err.Error())
	case !s.args.Read:
		d.API = inventory.Unread[[]inventory.APISocket](s.args.Why())
	default:
		d.API = inventory.Known(apiSockets(&d, s.engine, in))
	}
	return d
}

// apiSockets are those of dockerd's TCP sockets that are the API's: Swarm, the metrics
// and published ports without docker-proxy have others.
func apiSockets(d *inventory.Daemon, engine []netinfo.Listener, in *inventory.Inventory) []inventory.APISocket {
	others := publishedPorts(in)
	if m, _ := d.Setting("metrics-addr"); m.Set() {
		others[m.Last()[strings.LastIndexByte(m.Last(), ':')+1:]] = true
	}
	if in.Engine.Value.Swarm.Active {
		others["2377"], others["7946"] = true, true
	}
	var all []inventory.APISocket
	for _, l := range engine {
		if others[strconv.Itoa(int(l.Port))] {
			continue
		}
		a := l.Addr
		all = append(all, inventory.APISocket{Addr: a.String(), Port: l.Port, TLS: l.TLS, Verify: l.TLSVerify, Loopback: a.IsLoopback(), Wide: a.IsUnspecified()})
	}
	return all
}

// publishedPorts are the host's ports that containers asked for.
func publishedPorts(in *inventory.Inventory) map[string]bool {
	ports := map[string]bool{}
	for i := range in.Containers.Value {
		for _, p := range in.Containers.Value[i].Ports {
			ports[p.HostPort] = true
		}
	}
	delete(ports, "")
	return ports
}

// services are the sockets beyond loopback of programs other than Docker's and the
// containers'.
func (s sockets) services(in *inventory.Inventory) inventory.Fact[[]inventory.Socket] {
	if s.err != nil {
		return inventory.Unread[[]inventory.Socket](s.err.Error())
	}
	published := publishedPorts(in)
	var all []inventory.Socket
	for _, l := range s.listening {
		docker := slices.ContainsFunc(s.engine, func(e netinfo.Listener) bool { return e.Port == l.Port && e.Proto == l.Proto }) ||
			slices.ContainsFunc(s.proxies, func(p hostnet.Proxy) bool { return p.HostPort == l.Port && p.Proto == l.Proto })
		if l.Addr.IsLoopback() || docker || published[strconv.Itoa(int(l.Port))] || s.homes[l.Inode].Home == hostnet.HomeContainer {
			continue
		}
		all = append(all, inventory.Socket{Addr: l.Addr.String(), Port: l.Port, Proto: l.Proto.String()})
	}
	return inventory.Known(all)
}
