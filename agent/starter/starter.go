package starter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dockwall/agent/config"
	"dockwall/netinfo"
)

// API is what is known about the clients of the engine's TCP ports.
type API struct {
	// Known reports whether the clients were looked up.
	Known bool
	// Clients are the addresses that have connections there now.
	Clients []netip.Addr
}

// Draft is a first agent.hcl.
type Draft struct {
	// Text is the file.
	Text string
	// Policies are the published blocks that are in force in it.
	Policies []Policy
	// API is the from of its docker_api block; empty if it has none.
	API []netip.Addr
	// Notes say what the file does not allow, or cannot judge, a sentence
	// each. The text has them too.
	Notes []string
}

// Policy is one published block.
type Policy struct {
	Name string `json:"name"`
	// Containers are those that it names now.
	Containers []string `json:"containers"`
	Ports      []string `json:"ports"`
}

// New writes a draft for the host of the snapshot. The settings that are not
// the defaults are written into it.
func New(s netinfo.Snapshot, settings, defaults config.Settings, api API) Draft {
	w := &writer{s: &s}
	units, unnamed := unitsOf(&s)
	w.head()
	w.settings(settings, defaults)
	w.interfaces()
	w.defaults()
	for _, u := range units {
		w.unit(u)
	}
	if len(units) == 0 {
		w.line("# No container publishes a port.")
		w.line("")
	}
	w.dockerAPI(api)
	w.notes(unnamed)
	w.draft.Text = w.text.String()
	return w.draft
}

// writer is a draft in the making.
type writer struct {
	s     *netinfo.Snapshot
	text  strings.Builder
	draft Draft
	// nics are the interfaces that the text proposes names for.
	nics map[string]string
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.text, format+"\n", args...)
}

func (w *writer) head() {
	w.line(`# agent.hcl: which clients may reach which containers of this Docker host.
#
# agentctl init wrote it from what was published on this host at that moment. It
# allows exactly that, from everywhere, and nothing else: a container that
# starts tomorrow with a new port is closed until a block here allows it, and so
# is what is routed straight to a container's address past its published ports.
#
# To tighten: replace "any" in from by addresses, take ports away, uncomment via.
#   agentctl check   is the file right?
#   agentctl diff    which clients would gain or lose access?
#   agentctl apply   puts it in force; agentd does so by itself

# Name addresses once and refer to them as addresses.office:
#
# addresses "office" {
#   cidrs = ["203.0.113.0/24", "2001:db8:10::/48"]
# }
`)
}

// settings writes the settings that are not the defaults.
func (w *writer) settings(s, d config.Settings) {
	type setting struct{ block, name, value, usual string }
	all := []setting{
		{"log", "level", s.Log.Level, d.Log.Level},
		{"log", "format", s.Log.Format, d.Log.Format},
		{"docker", "host", s.Docker.Host, d.Docker.Host},
		{"control", "socket", s.Control.Socket, d.Control.Socket},
		{"control", "metrics", s.Control.Metrics, d.Control.Metrics},
		{"firewall", "backend", s.Firewall.Backend, d.Firewall.Backend},
		{"firewall", "sets", s.Firewall.Sets, d.Firewall.Sets},
		{"firewall", "deny_with", s.Firewall.DenyWith, d.Firewall.DenyWith},
		{"firewall", "log_denied", fmt.Sprint(s.Firewall.LogDenied), fmt.Sprint(d.Firewall.LogDenied)},
		{"firewall", "resync", s.Firewall.Resync.String(), d.Firewall.Resync.String()},
		{"firewall", "on_stop", s.Firewall.OnStop, d.Firewall.OnStop},
	}
	all = slices.DeleteFunc(all, func(x setting) bool { return x.value == x.usual })
	for i, x := range all {
		if i == 0 || all[i-1].block != x.block {
			w.line("%s {", x.block)
		}
		w.line("  %s = %s", x.name, quote(x.value))
		if i == len(all)-1 || all[i+1].block != x.block {
			w.line("}\n")
		}
	}
}

func (w *writer) defaults() {
	w.line(`# What holds where no policy speaks. Between containers, from them to the outside
# and to this host everything stays as it is.
defaults {
  published = "deny"   # from outside: only what a block below allows
  direct    = "deny"   # straight to a container's address: only what a direct block allows
  between   = "allow"  # "deny": containers on one network reach what between blocks allow
  egress    = "allow"  # "deny": containers reach outside what egress blocks allow
  host      = "allow"  # "deny": containers reach of this host what host blocks allow
}
`)
}

// interfaces proposes names for the NICs, as comments: a block that no policy
// refers to would be warned of.
func (w *writer) interfaces() {
	w.nics = map[string]string{}
	taken := names{}
	var proposed []string
	for _, l := range outside(w.s) {
		name := taken.take(identifier(l.Name))
		w.nics[l.Name] = name
		var at []string
		for _, p := range l.Addrs {
			if !p.Addr().IsLinkLocalUnicast() {
				at = append(at, p.String())
			}
		}
		proposed = append(proposed, fmt.Sprintf("# interfaces %s { names = [%s] }  # %s", quote(name), quote(l.Name), strings.Join(at, ", ")))
	}
	if len(proposed) == 0 {
		return
	}
	w.line("# The network interfaces of this host. Uncomment those that a via below names:\n#\n%s\n", strings.Join(proposed, "\n"))
}

// outside are the interfaces with addresses that packets come in by from
// outside: not lo, Docker's bridges, or what plugs containers into them.
func outside(s *netinfo.Snapshot) []netinfo.Link {
	return slices.DeleteFunc(slices.Clone(s.Links), func(l netinfo.Link) bool {
		docker := slices.ContainsFunc(s.Networks, func(n netinfo.Network) bool { return n.Bridge != "" && n.Bridge == l.Name })
		return l.Name == "lo" || docker || l.Unplaced || l.Master != 0 || len(l.Addrs) == 0
	})
}
