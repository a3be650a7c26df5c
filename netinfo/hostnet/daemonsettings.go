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
	"strconv"
	"strings"

	"dockwall/netinfo"
)

// Ports that dockerd takes where its -H names none.
const (
	apiPort    = 2375
	apiTLSPort = 2376
)

// daemonSettings are dockerd's settings that name TCP ports.
type daemonSettings struct {
	hosts   []string
	metrics string
	dns     []string
	// units are the sockets that systemd hands over, if hosts asks for them.
	units []netip.AddrPort
	// swarm is where a manager serves the other nodes of its swarm, if that is not
	// the usual port.
	swarm    netip.AddrPort
	dataRoot string // empty: the default
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
		into := d.field(name)
		if into == nil {
			continue
		}
		if !joined && i+1 < len(args) {
			i++
			value = args[i]
		}
		into(value)
	}
	return d
}

// field returns what takes the value of a flag; nil if the flag is of no interest.
func (d *daemonSettings) field(name string) func(value string) {
	switch name {
	case "host":
		return func(v string) { d.hosts = append(d.hosts, v) }
	case "dns":
		return func(v string) { d.dns = append(d.dns, v) }
	case "metrics-addr":
		return func(v string) { d.metrics = v }
	case "config-file":
		return func(v string) { d.configFile = v }
	case "data-root", "graph":
		return func(v string) { d.dataRoot = v }
	}
	return nil
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
		DNS       []string `json:"dns"`
		DataRoot  string   `json:"data-root"`
		TLS       bool     `json:"tls"`
		TLSVerify *bool    `json:"tlsverify"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return fmt.Errorf("reading dockerd's configuration %s: %w", cmp.Or(d.configFile, defaultFile), err)
	}
	d.hosts = append(d.hosts, file.Hosts...)
	d.dns = append(d.dns, file.DNS...)
	d.metrics, d.dataRoot = cmp.Or(d.metrics, file.Metrics), cmp.Or(d.dataRoot, file.DataRoot)
	d.tls = d.tls || file.TLS || file.TLSVerify != nil
	d.tlsVerify = d.tlsVerify || file.TLSVerify != nil && *file.TLSVerify
	return nil
}

// listeners returns the API's TCP addresses among the settings.
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
	for _, a := range d.units {
		all = append(all, d.api(a))
	}
	return all
}

// api is a listener of the API.
func (d daemonSettings) api(a netip.AddrPort) netinfo.Listener {
	return netinfo.Listener{Addr: a.Addr(), Proto: netinfo.TCP, Port: a.Port(), Dockerd: true, TLS: d.tls, TLSVerify: d.tlsVerify}
}

// holding is a listener that dockerd holds; false if it is not the API's. One that
// the settings do not name has the API's TLS only if systemd handed it over.
func (d daemonSettings) holding(a netip.AddrPort) (netinfo.Listener, bool) {
	for _, l := range d.listeners() {
		if sameSocket(netip.AddrPortFrom(l.Addr, l.Port), a) {
			l.Addr = a.Addr()
			return l, true
		}
	}
	l := d.api(a)
	if !d.activated() {
		l.TLS, l.TLSVerify = false, false
	}
	return l, !d.isSwarms(a) && !d.isMetrics(a)
}

// activated reports whether systemd hands sockets over.
func (d daemonSettings) activated() bool {
	return slices.ContainsFunc(d.hosts, func(h string) bool { return strings.HasPrefix(h, "fd://") })
}

// isMetrics reports whether the socket is that of metrics-addr. Unlike -H, the
// setting goes to net.Listen as it is: no address is all.
func (d daemonSettings) isMetrics(a netip.AddrPort) bool {
	host, port, err := net.SplitHostPort(d.metrics)
	if err != nil {
		return false
	}
	n, err := parsePort(port)
	return err == nil && sameSocket(netip.AddrPortFrom(daemonAddr(cmp.Or(host, "::")), n), a)
}

// sameSocket reports whether what is configured is the open socket. A socket for
// every address may be open in one family or both.
func sameSocket(configured, open netip.AddrPort) bool {
	return configured.Port() == open.Port() && (configured.Addr() == open.Addr() ||
		configured.Addr().IsUnspecified() && open.Addr().IsUnspecified())
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
