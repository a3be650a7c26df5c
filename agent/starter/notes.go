package starter

import (
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/published"
)

// notes ends the text with what it does not allow or cannot judge.
func (w *writer) notes(unnamed []netinfo.Container) {
	for _, c := range unnamed {
		w.note("%s: no selector can name it, so its ports are closed (%s)", remark(c.Name), portTexts(c))
	}
	for _, c := range w.s.Containers {
		w.container(c)
	}
	swarm := func(n netinfo.Network) bool { return n.Driver == "overlay" && n.Name == "ingress" }
	if slices.ContainsFunc(w.s.Networks, swarm) {
		w.note("ports of swarm services come in by the ingress network and belong to no container: " +
			"they are closed, until a published block without to allows them")
	}
	if len(w.draft.Notes) == 0 {
		return
	}
	w.line("# To know of:\n#")
	for _, n := range w.draft.Notes {
		w.line("# - %s.", wrapped(n))
	}
}

// width is how wide the text's comments are.
const width = 80

// wrapped breaks a note into lines of a comment.
func wrapped(note string) string {
	var b strings.Builder
	column := 4
	for i, word := range strings.Fields(note) {
		switch n := len([]rune(word)); {
		case i > 0 && column+1+n >= width:
			b.WriteString("\n#   ")
			column = 4
		case i > 0:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len([]rune(word))
	}
	return b.String()
}

// container notes what no block can say of one.
func (w *writer) container(c netinfo.Container) {
	name := remark(c.Name)
	switch local := localPorts(w.s, c); {
	case c.SharesWith != "":
		return
	case c.HostNetwork:
		w.note("%s runs on the host's own network: the ports on which it listens now are allowed here; a port on which it listens later "+
			"is closed until a published block allows it", name)
		return
	case w.onUncovered(c):
		w.note("%s is on a macvlan or ipvlan network: what goes there never meets this host's rules and is not covered", name)
	case shut(w.s, c) && len(c.Ports) > 0:
		w.note("%s is on no network that its ports could be reached by (%s), so no block allows them", name, portTexts(c))
	case len(local.Ports) > 0:
		w.note("%s publishes %s on a loopback address: that is for this host only and needs no policy", name, portTexts(local))
	}
	if slices.ContainsFunc(c.Ports, func(p netinfo.PublishedPort) bool { return p.HostPort == 0 }) && !isRouted(w.s, c) {
		w.note("%s publishes ports that Docker picks when it starts, which are not known now: leave ports out of its block to allow them", name)
	}
}

func (w *writer) onUncovered(c netinfo.Container) bool {
	return slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool {
		n, ok := w.s.Network(e.NetworkID)
		return ok && uncovered(n)
	})
}

// localPorts is the container with only the ports that are bound to a loopback
// address.
func localPorts(s *netinfo.Snapshot, c netinfo.Container) netinfo.Container {
	c.Ports = slices.DeleteFunc(slices.Clone(c.Ports), func(p netinfo.PublishedPort) bool {
		return p.HostPort == 0 || !published.Bind(s, &c, p).IsLoopback()
	})
	return c
}
