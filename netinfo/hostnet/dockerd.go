package hostnet

import (
	"errors"
	"maps"
	"net/netip"
	"slices"

	"dockwall/netinfo"
)

// Dockerd finds the TCP ports on which dockerd processes of this network namespace
// serve the API, sorted, from four sources: their -H arguments; hosts in their
// configuration file; the systemd socket units that hand sockets over to them (-H
// fd://); and which of the listeners (as Listeners returned them) they hold, which
// takes ptrace rights. What is configured counts before it listens.
//
// A socket that dockerd holds and none of these names counts too, unless it is one
// of Swarm's or that of metrics-addr: a configuration that was edited after dockerd
// had read it must not open the API.
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
	s.dns = nil
	for _, p := range s.dockerds() {
		settings := parseDaemonArgs(p.args)
		errs = append(errs, settings.readFile(s.files, s.configFile), s.readUnits(&settings, p))
		s.dns = append(s.dns, settings.dns...)
		for _, l := range settings.listeners() {
			note(found, l)
		}
		held := slices.DeleteFunc(s.held(p.pid, listeners), func(a netip.AddrPort) bool { return proxied(proxies, a) })
		if len(held) > 0 {
			errs = append(errs, settings.readSwarm(s.files))
		}
		for _, a := range held {
			if l, ok := settings.holding(a); ok {
				note(found, l)
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
