package complete

import (
	"cmp"
	"context"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/netinfo"
	"dockwall/rules/explain"
	"dockwall/rules/published"
)

// patience is how long the shell may be kept waiting for names; after
// that it gets none.
const patience = 400 * time.Millisecond

// completer gives the words that a flag's value may be or begin with.
type completer func(a *ask.App, cmd *cobra.Command, typed string) ([]cobra.Completion, cobra.ShellCompDirective)

// completers are those of the flags, by name: one that several verbs have means
// the same in each.
func completers() map[string]completer {
	return map[string]completer{
		"container":      live(containerNames),
		"from-container": live(containerNames),
		"from":           live(senderAddresses),
		"via":            live(linkNames),
		"to":             completeTo,
		"proto":          words("tcp", "udp", "sctp", "icmp"),
		"expect":         words(explain.Allow, explain.Deny),
		"family":         words("4", "6"),
		"since":          words("10m", "1h", "24h"),
		"lines":          words(),
	}
}

// Flags has the shells complete the values of the flags of all verbs below root.
func Flags(a *ask.App, root *cobra.Command) {
	for _, verb := range root.Commands() {
		if verb.ValidArgsFunction == nil {
			verb.ValidArgsFunction = cobra.NoFileCompletions // flags only
		}
		for name, c := range completers() {
			if verb.Flags().Lookup(name) == nil {
				continue
			}
			// It fails where the verb's own file has registered one: then that one holds.
			_ = verb.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
				all, directive := c(a, cmd, typed)
				return slices.DeleteFunc(all, func(w cobra.Completion) bool { return !strings.HasPrefix(w, typed) }), directive
			})
		}
	}
}

// words are always the same.
func words(all ...string) completer {
	return func(*ask.App, *cobra.Command, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return slices.Clone(all), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// live are of the host as it is now.
func live(of func(*config.Document, netinfo.Snapshot) []cobra.Completion) completer {
	return func(a *ask.App, cmd *cobra.Command, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return of(glanceAt(a, cmd)), cobra.ShellCompDirectiveNoFileComp
	}
}

// glanceAt is what can be known of the file and the host in the time that a
// person does not notice; what cannot is nil or empty. Nothing is said of it:
// the person is typing.
func glanceAt(a *ask.App, cmd *cobra.Command) (*config.Document, netinfo.Snapshot) {
	type glance struct {
		doc  *config.Document
		snap netinfo.Snapshot
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	seen := make(chan glance, 1)
	go func() {
		doc, _ := config.Load(a.Config)
		seen <- glance{doc, hostAtAGlance(ctx, a, cmd, doc)}
	}()
	select {
	case g := <-seen:
		return g.doc, g.snap
	case <-ctx.Done():
		return nil, netinfo.Snapshot{}
	}
}

func hostAtAGlance(ctx context.Context, a *ask.App, cmd *cobra.Command, doc *config.Document) netinfo.Snapshot {
	if f := cmd.Flags().Lookup("snapshot"); f != nil && f.Value.String() != "" {
		snap, _ := ask.ReadSnapshot(f.Value.String())
		return snap
	}
	socket := a.Socket
	if doc != nil {
		socket = a.SocketFor(doc.Settings)
	} else if socket == "" {
		socket = cmp.Or(config.ControlSocket(a.Config), ask.DefaultSocket)
	}
	snap, err := control.NewClient(socket).Snapshot(ctx)
	if err == nil || doc == nil || a.Env.EUID != 0 {
		return snap
	}
	snap, _ = a.Env.Host.Facts(ctx, doc.Settings, patience, nil, ask.Logger(io.Discard))
	return snap
}

func containerNames(_ *config.Document, s netinfo.Snapshot) []cobra.Completion {
	var all []cobra.Completion
	for _, c := range s.Containers {
		all = append(all, cobra.CompletionWithDesc(c.Name, c.State))
	}
	return all
}

// senderAddresses are those of containers, and the first of each range that the
// file names.
func senderAddresses(doc *config.Document, s netinfo.Snapshot) []cobra.Completion {
	var all []cobra.Completion
	if doc != nil {
		for _, named := range doc.Policy.Addresses {
			if len(named.Prefixes) > 0 {
				all = append(all, cobra.CompletionWithDesc(named.Prefixes[0].Masked().Addr().String(), "addresses."+named.Name))
			}
		}
	}
	for _, c := range s.Containers {
		for _, e := range c.Endpoints {
			for _, addr := range e.Addrs {
				all = append(all, cobra.CompletionWithDesc(addr.String(), c.Name))
			}
		}
	}
	return all
}

func linkNames(_ *config.Document, s netinfo.Snapshot) []cobra.Completion {
	var all []cobra.Completion
	for _, l := range s.Links {
		if l.Name != "lo" && l.Master == 0 {
			all = append(all, l.Name)
		}
	}
	return all
}

// completeTo gives containers and the host's addresses at first, each with its
// colon, and then the ports behind it.
func completeTo(a *ask.App, cmd *cobra.Command, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	_, s := glanceAt(a, cmd)
	head, _, hasPort := cutPort(typed)
	if hasPort {
		var all []cobra.Completion
		for _, port := range portsBehind(s, head) {
			all = append(all, head+":"+port)
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, c := range s.Containers {
		all = append(all, cobra.CompletionWithDesc(c.Name+":", c.State))
	}
	for _, l := range s.Links {
		for _, p := range l.Addrs {
			if text := p.Addr().String(); p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast() {
				all = append(all, cobra.CompletionWithDesc("["+text+"]:", l.Name))
			} else if p.Addr().Is4() {
				all = append(all, cobra.CompletionWithDesc(text+":", l.Name))
			}
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// cutPort parts "[2001:db8::1]:8" and "web:8" at the colon before the port.
func cutPort(typed string) (head, port string, found bool) {
	i := strings.LastIndexByte(typed, ':')
	if i < 0 || strings.HasPrefix(typed, "[") && !strings.HasSuffix(typed[:i], "]") {
		return typed, "", false
	}
	return typed[:i], typed[i+1:], true
}

// portsBehind are a container's own ports, or those that the host publishes.
func portsBehind(s netinfo.Snapshot, head string) []string {
	var all []string
	named := slices.ContainsFunc(s.Containers, func(c netinfo.Container) bool { return c.Name == head })
	host, err := netip.ParseAddr(strings.Trim(head, "[]"))
	for _, c := range s.Containers {
		for _, p := range c.Ports {
			switch {
			case c.Name == head:
				all = append(all, strconv.Itoa(int(p.ContainerPort)))
			case named || p.HostPort == 0:
			case head == "" || err == nil && published.Reaches(published.Bind(&s, &c, p), host):
				all = append(all, strconv.Itoa(int(p.HostPort)))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
