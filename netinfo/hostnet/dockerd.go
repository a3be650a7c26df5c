package hostnet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
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
	found := map[netip.AddrPort]netinfo.Listener{}
	var errs []error
	for _, p := range s.dockerds() {
		settings := parseDaemonArgs(p.args)
		errs = append(errs, settings.readFile(s.files, s.configFile))
		for _, l := range settings.listeners() {
			note(found, l)
		}
		for _, a := range s.held(p.pid, listeners) {
			if !proxied(proxies, a) {
				note(found, settings.holding(a))
			}
		}
	}
	ports := make([]netinfo.Listener, 0, len(found))
	for _, a := range slices.SortedFunc(maps.Keys(found), netip.AddrPort.Compare) {
		ports = append(ports, found[a])
	}
	return ports, errors.Join(errs...)
}

// note adds a listener. Of two accounts of one socket the configured one is kept, and
// of two configured ones what both say.
func note(found map[netip.AddrPort]netinfo.Listener, l netinfo.Listener) {
	at := netip.AddrPortFrom(l.Addr, l.Port)
	if before, ok := found[at]; ok {
		l.TLS, l.TLSVerify = l.TLS && before.TLS, l.TLSVerify && before.TLSVerify
	}
	found[at] = l
}

// DockerdRuns reports whether Dockerd found a dockerd when it last looked.
func (s *Scanner) DockerdRuns() bool { return len(s.dockerds()) > 0 }

// DockerdArgs returns the arguments, without the program's name, of the dockerd that
// Dockerd found when it last looked; false if there is none or more than one.
func (s *Scanner) DockerdArgs() ([]string, bool) {
	all := s.dockerds()
	if len(all) != 1 || all[0].args == nil {
		return nil, false
	}
	return slices.Clone(all[0].args), true
}

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
	hosts   []string
	metrics string
	// tls: the API is encrypted. tlsVerify: it asks for a client's certificate too.
	tls, tlsVerify bool
	configFile     string // empty: the default
}

// parseDaemonArgs reads dockerd's arguments in pflag's syntax: -H x, -Hx,
// -H=x, --host x, --host=x, and -H after -D in one group.
func parseDaemonArgs(args []string) daemonSettings {
	var d daemonSettings
	for i := 0; i < len(args); i++ {
		name, value, joined := cutFlag(args[i])
		switch name {
		case "tls":
			d.tls = d.tls || isTrue(value)
			continue
		case "tlsverify":
			// dockerd turns TLS on if the setting is there at all, even as false.
			d.tls, d.tlsVerify = true, d.tlsVerify || isTrue(value)
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

// isTrue reads a flag's value as pflag does; a flag without a value is true. dockerd
// does not start with a value that is none.
func isTrue(value string) bool {
	b, err := strconv.ParseBool(value)
	return err != nil || b
}

// cutFlag splits one argument; joined reports whether it holds its value itself.
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
		TLSVerify *bool    `json:"tlsverify"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return fmt.Errorf("reading dockerd's configuration %s: %w", cmp.Or(d.configFile, defaultFile), err)
	}
	d.hosts = append(d.hosts, file.Hosts...)
	d.metrics = cmp.Or(d.metrics, file.Metrics)
	d.tls = d.tls || file.TLS || file.TLSVerify != nil
	d.tlsVerify = d.tlsVerify || file.TLSVerify != nil && *file.TLSVerify
	return nil
}

// listeners returns the TCP addresses among the settings.
func (d daemonSettings) listeners() []netinfo.Listener {
	port := uint16(apiPort)
	if d.tls {
		port = apiTLSPort
	}
	var all []netinfo.Listener
	for _, host := range d.hosts {
		if a, ok := parseDaemonHost(host, port); ok {
			all = append(all, d.api(a))
		}
	}
	// Unlike -H, metrics-addr goes to net.Listen as it is: no address is all. It never
	// uses TLS.
	if host, port, err := net.SplitHostPort(d.metrics); err == nil {
		if n, err := parsePort(port); err == nil && n != 0 {
			all = append(all, engineListener(netip.AddrPortFrom(daemonAddr(cmp.Or(host, "::")), n)))
		}
	}
	return all
}

func engineListener(a netip.AddrPort) netinfo.Listener {
	return netinfo.Listener{Addr: a.Addr(), Proto: netinfo.TCP, Port: a.Port(), Dockerd: true}
}

// api is a listener of the API.
func (d daemonSettings) api(a netip.AddrPort) netinfo.Listener {
	l := engineListener(a)
	l.TLS, l.TLSVerify = d.tls, d.tlsVerify
	return l
}

// holding is a listener that dockerd holds. One that its settings do not name is the
// API's only if systemd handed it over (-H fd://); Swarm's have a TLS of their own.
func (d daemonSettings) holding(a netip.AddrPort) netinfo.Listener {
	for _, l := range d.listeners() {
		if l.Port == a.Port() && (l.Addr == a.Addr() || l.Addr.IsUnspecified() && a.Addr().IsUnspecified()) {
			l.Addr = a.Addr()
			return l
		}
	}
	if slices.ContainsFunc(d.hosts, func(h string) bool { return strings.HasPrefix(h, "fd://") }) {
		return d.api(a)
	}
	return engineListener(a)
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
