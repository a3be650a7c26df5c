package audit

import (
	"fmt"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func networkChecks() []Check {
	return []Check{
		{ID: "network.api-tcp", Group: Network, Severity: finding.High, CIS: cisMoved("2.7", "2.8"),
			Title:   "Docker's API answers over TCP only to clients with a certificate",
			Why:     "Who reaches the API without a certificate is root on the host.",
			Decides: "the TCP sockets that dockerd holds or is configured for, its settings tls and tlsverify, and ListenStream of docker.socket",
			Fix:     "agentctl tls init, tls server and tls client; then start dockerd with --tlsverify. Or use ssh:// instead of TCP.", host: apiTCP},
		{ID: "network.api-address", Group: Network, Severity: finding.Medium, CIS: cisMoved("2.7", "2.8"),
			Title:   "Docker's API is not bound to every address of the host",
			Why:     "An API that only the administration's network needs is offered to all others, and only the firewall closes it.",
			Decides: "the addresses of the TCP sockets of the API",
			Fix:     "Bind dockerd to one address: -H tcp://10.0.0.5:2376.", host: apiAddress},
		{ID: "network.api-require-tls", Group: Network, Severity: finding.High, CIS: cisMoved("2.7", "2.8"),
			Title:   "agent.hcl opens Docker's API only where a certificate is proven to be asked for",
			Why:     "Without require_tls, the port stays open to the clients of docker_api if dockerd is started without TLS one day, and each of them is root on the host.",
			Decides: "require_tls and from of docker_api in agent.hcl, and which TCP sockets of the API ask for no certificate",
			Fix:     "Write require_tls = true in docker_api; agentctl tls init, tls server and tls install make dockerd ask for certificates.", host: apiRequireTLS},
		{ID: "network.between-containers", Group: Network, Severity: finding.Medium, CIS: cis("2.2"),
			Title:   "Containers of one bridge network do not reach each other unless a rule allows it",
			Why:     "A container that is taken over attacks its neighbours, on ports that were never published.",
			Decides: `between = "deny" of agent.hcl, if agentd enforces it, or the option com.docker.network.bridge.enable_icc of each bridge network`,
			Fix:     `Write defaults { between = "deny" } in agent.hcl and a between block for each connection that is needed.`, host: betweenContainers},
		{ID: "network.iptables", Group: Network, Severity: finding.Medium, CIS: cis("2.4"),
			Title:   "Docker may write its firewall rules",
			Why:     "With iptables = false, Docker neither isolates networks nor translates addresses, and hand-written rules rarely replace all of it.",
			Decides: "iptables in daemon.json and dockerd's arguments", Fix: "Take iptables = false out of dockerd's settings.",
			host: func(f *facts) verdict { return settingOn(f, "iptables", true) }},
		{ID: "network.ip6tables", Group: Network, Severity: finding.Medium,
			Title:   "Docker may write its firewall rules for IPv6",
			Why:     "Without them, networks with IPv6 are neither isolated nor filtered by Docker.",
			Decides: "ip6tables in daemon.json and dockerd's arguments; it is on by default since 27.0", Fix: `Set "ip6tables": true in daemon.json.`, host: ip6tables},
		{ID: "network.userland-proxy", Group: Network, Severity: finding.Low, CIS: cisMoved("2.16", "2.17"),
			Title:   "Published ports need no docker-proxy",
			Why:     "docker-proxy is one more program of root's for each port, and hides the client's address.",
			Decides: "userland-proxy in daemon.json and dockerd's arguments; it is on by default", Fix: `Set "userland-proxy": false in daemon.json.`,
			host: func(f *facts) verdict { return settingOff(f, "userland-proxy", true) }},
		{ID: "network.insecure-registries", Group: Network, Severity: finding.High, CIS: cis("2.5"),
			Title:   "Images are pulled over verified connections only",
			Why:     "Who can change the connection decides what runs in the containers.",
			Decides: "RegistryConfig of docker info; registries on loopback are left out",
			Fix:     "Take insecure-registries out of dockerd's settings; put the registry's CA into /etc/docker/certs.d/REGISTRY/ca.crt.", host: ofEngine(insecureRegistries)},
	}
}

func apiTCP(f *facts) verdict {
	if !f.Daemon.API.Read {
		return unknown("%s", f.Daemon.API.Why())
	}
	if !f.Daemon.SocketUnits.Read {
		return unknown("%s", f.Daemon.SocketUnits.Why())
	}
	var open []string
	for _, s := range f.Daemon.API.Value {
		switch {
		case !s.TLS:
			open = append(open, socketName(s)+" without TLS")
		case !s.Verify:
			open = append(open, socketName(s)+" asks for no certificate")
		}
	}
	for _, s := range f.Daemon.SocketUnits.Value {
		// dockerd uses no TLS on a socket that systemd hands over, unless it verifies.
		if tcpStream(s) && !verifies(f) {
			open = append(open, "ListenStream="+s+" of docker.socket")
		}
	}
	if len(open) > 0 {
		return fail("%s", list(open))
	}
	if len(f.Daemon.API.Value) == 0 {
		return pass("the API does not answer over TCP")
	}
	return pass("each TCP socket of the API asks for a certificate: %s", socketName(f.Daemon.API.Value[0]))
}

func socketName(s inventory.APISocket) string {
	if strings.Contains(s.Addr, ":") {
		return fmt.Sprintf("[%s]:%d", s.Addr, s.Port)
	}
	return fmt.Sprintf("%s:%d", s.Addr, s.Port)
}

// tcpStream reports whether a ListenStream is no path and no name of a unix socket.
func tcpStream(s string) bool {
	return !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "%") && !strings.HasPrefix(s, "@") && !strings.HasPrefix(s, "vsock:")
}

func verifies(f *facts) bool {
	s, _ := f.Daemon.Setting("tlsverify")
	return s.Bool(false)
}

func apiAddress(f *facts) verdict {
	if !f.Daemon.API.Read {
		return unknown("%s", f.Daemon.API.Why())
	}
	for _, s := range f.Daemon.API.Value {
		if s.Wide {
			return fail("%s is every address of the host", socketName(s))
		}
	}
	return pass("no socket of the API is bound to every address")
}

// apiRequireTLS fails where the file opens a socket that answers without a certificate.
func apiRequireTLS(f *facts) verdict {
	switch {
	case f.API == nil:
		return absent("there is no agent.hcl without errors")
	case f.API.RequireTLS:
		return pass("require_tls is true")
	case !f.Daemon.API.Read:
		return unknown("%s", f.Daemon.API.Why())
	}
	var open []string
	for _, s := range f.Daemon.API.Value {
		if !s.Loopback && !(s.TLS && s.Verify) && f.API.Opens(s.Port) {
			open = append(open, socketName(s))
		}
	}
	return when(len(open) > 0, "docker_api opens it without require_tls, and no certificate is asked for: "+list(open),
		"docker_api opens no port of the API that asks for no certificate")
}

func betweenContainers(f *facts) verdict {
	if !f.Networks.Read {
		return unknown("%s", f.Networks.Why())
	}
	var open, denied []string
	for _, n := range f.Networks.Value {
		switch {
		case n.Driver != "bridge" || n.Options["com.docker.network.bridge.enable_icc"] == "false":
		case f.Isolated != nil && f.Isolated(n.Name):
			denied = append(denied, n.Name)
		default:
			open = append(open, n.Name)
		}
	}
	if len(open) == 0 && len(denied) > 0 && f.Enforced != "" {
		return unknown("agent.hcl denies it for %s, but whether that is in force is not known: %s", list(denied), f.Enforced)
	}
	return when(len(open) > 0, "open between all containers: "+list(open), "each bridge network is closed between its containers")
}

// settingOn judges a switch that should be on.
func settingOn(f *facts, name string, byDefault bool) verdict {
	s, reason := f.Daemon.Setting(name)
	switch {
	case reason != "":
		return unknown("%s", reason)
	case !s.Set():
		return when(!byDefault, name+" is not set, and off by default", name+" is not set, and on by default")
	}
	said := fmt.Sprintf("%s is %s in %s", name, s.Last(), s.Where)
	return when(!s.Bool(byDefault), said, said)
}

// settingOff judges a switch that should be off.
func settingOff(f *facts, name string, byDefault bool) verdict {
	v := settingOn(f, name, byDefault)
	switch v.state {
	case Pass:
		v.state = Fail
	case Fail:
		v.state = Pass
	}
	return v
}

func ip6tables(f *facts) verdict {
	if !f.Engine.Read {
		return unknown("%s", f.Engine.Why())
	}
	s, reason := f.Daemon.Setting("iptables")
	if reason == "" && s.Set() && !s.Bool(true) {
		return fail("iptables is false in %s, which switches off ip6tables too", s.Where)
	}
	return settingOn(f, "ip6tables", newer(f.Engine.Value.Version, "26.999"))
}

func insecureRegistries(e inventory.Engine) verdict {
	var open []string
	for _, c := range e.InsecureCIDRs {
		if !strings.HasPrefix(c, "127.") && c != "::1/128" {
			open = append(open, c)
		}
	}
	for _, r := range e.InsecureRegistries {
		host, _, _ := strings.Cut(r, ":")
		if host != "localhost" && !strings.HasPrefix(host, "127.") && !strings.HasPrefix(r, "[::1]") {
			open = append(open, r)
		}
	}
	return when(len(open) > 0, "not verified: "+list(open), "no registry beyond loopback is excepted")
}
