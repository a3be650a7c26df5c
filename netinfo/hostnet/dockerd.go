package hostnet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"dockwall/netinfo"
)

// Ports that dockerd takes where its -H names none.
const (
	apiPort    = 2375
	apiTLSPort = 2376
)

// Dockerd finds the TCP ports that dockerd processes of this network namespace
// listen on, sorted, from three sources: which of the listeners (as Listeners
// gave them) they hold, as far as the kernel lets us see that (it takes ptrace
// rights); their -H and --metrics-addr arguments; and hosts and metrics-addr
// in their configuration file. What is configured counts before it listens.
//
// dockerd also holds sockets for published ports. Those that a docker-proxy
// serves are left out; where there is none (userland-proxy=false), the caller
// takes the published ports away.
//
// What was found is returned with the error, too: an unreadable configuration
// file hides nothing that another source shows.
func (s *Scanner) Dockerd(listeners []Socket) ([]netinfo.Listener, error) {
	if err := s.refresh(); err != nil {
		return nil, err
	}
	s.readHoldings()
	proxies := s.proxies()
	var found []netip.AddrPort
	var errs []error
	for _, p := range s.dockerds() {
		settings := parseDaemonArgs(p.args)
		errs = append(errs, settings.readFile(s.files, s.configFile))
		found = append(found, settings.ports()...)
		held := s.held(p.pid, listeners)
		found = append(found, slices.DeleteFunc(held, func(a netip.AddrPort) bool { return proxied(proxies, a) })...)
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	ports := make([]netinfo.Listener, 0, len(found))
	for _, a := range slices.Compact(found) {
		ports = append(ports, netinfo.Listener{Addr: a.Addr(), Proto: netinfo.TCP, Port: a.Port(), Dockerd: true})
	}
	return ports, errors.Join(errs...)
}

// DockerdRuns reports whether Dockerd found a dockerd when it last looked.
func (s *Scanner) DockerdRuns() bool { return len(s.dockerds()) > 0 }

// dockerds returns the processes whose arguments are dockerd's. The peer of the
// engine's socket may also be another program, whose arguments mean other things.
func (s *Scanner) dockerds() []*process {
	return slices.DeleteFunc(s.of(dockerdRole), func(p *process) bool { return p.signs.name != "dockerd" })
}

// held returns the TCP listeners among the process's open files; none if these
// may not be read.
func (s *Scanner) held(pid int, listeners []Socket) []netip.AddrPort {
	var held []netip.AddrPort
	for _, l := range listeners {
		if l.Proto == netinfo.TCP && s.holdings.inodes[l.Inode] == pid {
			held = append(held, netip.AddrPortFrom(l.Addr, l.Port))
		}
	}
	return held
}

func proxied(proxies []Proxy, a netip.AddrPort) bool {
	return slices.ContainsFunc(proxies, func(p Proxy) bool {
		return p.Proto == netinfo.TCP && p.HostPort == a.Port() && p.HostAddr.Unmap() == a.Addr()
	})
}

// daemonSettings are dockerd's settings that name TCP ports.
type daemonSettings struct {
	hosts      []string
	metrics    string
	tls        bool
	configFile string // empty: the default
}

// parseDaemonArgs reads dockerd's arguments in pflag's syntax: -H x, -Hx,
// -H=x, --host x, --host=x, and -H after -D in one group.
func parseDaemonArgs(args []string) daemonSettings {
	var d daemonSettings
	for i := 0; i < len(args); i++ {
		name, value, joined := cutFlag(args[i])
		if name == "tls" || name == "tlsverify" {
			d.tls = d.tls || value != "false"
			continue
		}
		if name != "host" && name != "metrics-addr" && name != "config-file" {
			continue
		}
		if !joined && i+1 < len(args) {
			i++
			value = args[i]
		}
		switch name {
		case "host":
			d.hosts = append(d.hosts, value)
		case "metrics-addr":
			d.metrics = value
		case "config-file":
			d.configFile = value
		}
	}
	return d
}

// cutFlag splits one argument; joined tells that it holds its value itself.
func cutFlag(arg string) (name, value string, joined bool) {
	if long, ok := strings.CutPrefix(arg, "--"); ok {
		return strings.Cut(long, "=")
	}
	short, ok := strings.CutPrefix(arg, "-")
	short = strings.TrimLeft(short, "D") // --debug, which takes no value
	if !ok || !strings.HasPrefix(short, "H") {
		return "", "", false
	}
	value = strings.TrimPrefix(short[1:], "=")
	return "host", value, len(short) > 1
}

// readFile adds what the configuration file says. A missing file says nothing.
func (d *daemonSettings) readFile(files *configFiles, defaultFile string) error {
	b, err := files.get(cmp.Or(d.configFile, defaultFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading dockerd's configuration: %w", err)
	}
	// encoding/json takes keys in any case, as dockerd does.
	var file struct {
		Hosts     []string `json:"hosts"`
		Metrics   string   `json:"metrics-addr"`
		TLS       bool     `json:"tls"`
		TLSVerify bool     `json:"tlsverify"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return fmt.Errorf("reading dockerd's configuration %s: %w", cmp.Or(d.configFile, defaultFile), err)
	}
	d.hosts = append(d.hosts, file.Hosts...)
	d.metrics = cmp.Or(d.metrics, file.Metrics)
	d.tls = d.tls || file.TLS || file.TLSVerify
	return nil
}

// ports gives the TCP addresses among the settings.
func (d daemonSettings) ports() []netip.AddrPort {
	port := uint16(apiPort)
	if d.tls {
		port = apiTLSPort
	}
	var all []netip.AddrPort
	for _, host := range d.hosts {
		if a, ok := parseDaemonHost(host, port); ok {
			all = append(all, a)
		}
	}
	// Unlike -H, metrics-addr goes to net.Listen as it is: no address is all.
	if host, port, err := net.SplitHostPort(d.metrics); err == nil {
		if n, err := parsePort(port); err == nil && n != 0 {
			all = append(all, netip.AddrPortFrom(daemonAddr(cmp.Or(host, "::")), n))
		}
	}
	return all
}

// parseDaemonHost reads tcp://address:port, where dockerd lets every part be
// left out. A name could be any address of this host: it is taken for all.
func parseDaemonHost(host string, defaultPort uint16) (netip.AddrPort, bool) {
	host = strings.TrimSpace(host)
	if host == "" {
		return netip.AddrPort{}, false
	}
	if !strings.Contains(host, "://") {
		host = "tcp://" + host
	}
	u, err := url.Parse(host)
	if err != nil || u.Scheme != "tcp" {
		return netip.AddrPort{}, false
	}
	port := defaultPort
	if u.Port() != "" {
		if port, err = parsePort(u.Port()); err != nil {
			return netip.AddrPort{}, false
		}
	}
	return netip.AddrPortFrom(daemonAddr(u.Hostname()), port), port != 0
}

func daemonAddr(host string) netip.Addr {
	if host == "" || host == "localhost" { // dockerd's default
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone("").Unmap()
	}
	return netip.IPv6Unspecified()
}
