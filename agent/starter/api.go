package starter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
)

// APIPorts are the TCP ports on which dockerd listens for more than this host
// itself, sorted.
func APIPorts(s netinfo.Snapshot) []uint16 {
	var ports []uint16
	for _, l := range s.Listeners {
		if l.Dockerd && l.Proto == netinfo.TCP && !l.Addr.IsLoopback() {
			ports = append(ports, l.Port)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// dockerAPI allows the engine's ports to their present clients; otherwise it is a
// comment that says how.
func (w *writer) dockerAPI(api API) {
	clients := w.apiClients(api)
	w.line("# Docker's own API. A client that reaches it is root here. Without a docker_api\n# block it is closed to every client except this host.")
	ports := APIPorts(*w.s)
	switch {
	case len(ports) == 0:
		w.line("# dockerd listens on no TCP port now; 2375 and 2376 are closed beforehand.")
	case len(clients) > 0:
		w.line("# dockerd listens on %s. These had connections there when this was written:", portList(ports))
		w.line("docker_api {\n  from = [")
		for _, a := range clients {
			w.line("    %s,%s", quote(a.String()), comment(w.holder(a)))
		}
		w.line("  ]\n  # Only ports that are proven to ask for a client's certificate.\n  require_tls = true\n}\n")
		w.draft.API = clients
		for _, port := range ports {
			if !w.s.Proven(port) {
				w.note("%d/tcp of Docker's API stays closed to these clients until dockerd asks for their certificates: agentctl tls makes them; require_tls = false opens the port without", port)
			}
		}
		w.note("docker_api allows the clients that are connected now (%d); a client that connects only from time to time is missing", len(clients))
		return
	case api.Known:
		w.line("# dockerd listens on %s; no client was connected when this was written.", portList(ports))
		w.note("Docker's API on %s is closed to every client except this host: no client is connected now", portList(ports))
	default:
		w.line("# dockerd listens on %s; a snapshot does not list its clients.", portList(ports))
		w.note("Docker's API on %s is closed to every client except this host: a snapshot does not list its clients", portList(ports))
	}
	w.line("#\n# docker_api {\n#   from = [\"198.51.100.7\"]\n#   require_tls = true\n# }\n")
}

// apiClients are the clients that need the block. This host does not: it may always connect.
func (w *writer) apiClients(api API) []netip.Addr {
	var all []netip.Addr
	for _, a := range api.Clients {
		a = a.Unmap().WithZone("")
		if a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && nicOf(w.s, a) == "" {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// holder is the container that has the address.
func (w *writer) holder(a netip.Addr) string {
	for _, c := range w.s.Containers {
		for _, e := range c.Endpoints {
			if slices.Contains(e.Addrs, a) {
				return remark(c.Name)
			}
		}
	}
	return ""
}

func portList(ports []uint16) string {
	var all []string
	for _, p := range ports {
		all = append(all, fmt.Sprintf("%d/tcp", p))
	}
	return strings.Join(all, ", ")
}
