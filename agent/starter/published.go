package starter

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/netinfo"
)

// unit writes the blocks of one unit. Where nothing of it can be reached now
// they are comments.
func (w *writer) unit(u *unit) {
	if len(u.live) > 0 {
		w.line("%s", w.blocks(u, u.live, u.idle))
		w.draft.Policies = append(w.draft.Policies, u.policy())
		return
	}
	w.note("%s: nothing of it runs, so its ports are closed (%s); its blocks are there to be uncommented", u.called(), texts(u.idle))
	commented := "# Not running, and so not allowed. To have it reachable when it starts, uncomment:\n#\n"
	for line := range strings.Lines(w.blocks(u, u.idle, nil)) {
		commented += "# " + line
	}
	w.line("%s", commented)
}

// policy is what the blocks of a unit allow.
func (u *unit) policy() Policy {
	p := Policy{Name: u.name}
	for _, c := range u.members {
		p.Containers = append(p.Containers, c.Name)
	}
	for _, e := range u.live {
		p.Ports = append(p.Ports, e.text())
	}
	return p
}

// called is the unit as people know it.
func (u *unit) called() string {
	if u.compose != "" {
		return "service " + u.compose
	}
	return u.container
}

func texts(es []entry) string {
	var all []string
	for _, e := range es {
		all = append(all, e.text())
	}
	return strings.Join(all, ", ")
}

// blocks is the containers block and the published block with these ports; the
// idle ones are comments in the list.
func (w *writer) blocks(u *unit, ports, idle []entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", u.described())
	attribute := fmt.Sprintf("names = [%s]", quote(u.container))
	if u.compose != "" {
		attribute = fmt.Sprintf("compose = [%s]", quote(u.compose))
	}
	fmt.Fprintf(&b, "containers %s {\n  %s\n}\n", quote(u.name), attribute)
	fmt.Fprintf(&b, "published %s {\n  to    = [containers.%s]\n  ports = [\n", quote(u.name), u.name)
	for _, e := range ports {
		fmt.Fprintf(&b, "    %s,%s\n", quote(e.text()), comment(e.says(w.s)))
	}
	for _, e := range idle {
		fmt.Fprintf(&b, "    # %s,%s\n", quote(e.text()), comment("not running now"))
	}
	fmt.Fprintf(&b, "  ]\n  from  = [\"any\"]\n%s}\n", w.via(ports))
	return b.String()
}

func comment(says string) string {
	if says == "" {
		return ""
	}
	return "  # " + says
}

// described names the containers of the unit and their images.
func (u *unit) described() string {
	var all []string
	for _, c := range u.members {
		says := remark(c.Name)
		if c.Image != "" {
			says += " (" + remark(c.Image) + ")"
		}
		all = append(all, says)
	}
	const most = 6
	if more := len(all) - most; more > 0 {
		all = append(all[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, ", ")
}

// via proposes the NICs that have the addresses which ports are bound to.
// Today they are reached by every NIC: so it is a comment.
func (w *writer) via(ports []entry) string {
	var nics []string
	bound := 0
	for _, e := range ports {
		if len(e.bound) > 0 {
			bound++
		}
		for _, a := range e.bound {
			if name, ok := w.nics[nicOf(w.s, a)]; ok {
				nics = append(nics, "interfaces."+name)
			}
		}
	}
	slices.Sort(nics)
	nics = slices.Compact(nics)
	if len(nics) == 0 {
		return ""
	}
	why := "the NIC that has the address; today any NIC leads there"
	if bound < len(ports) {
		why = "for the bound ports only: they need a block of their own then"
	}
	return fmt.Sprintf("  # via = [%s]  # %s\n", strings.Join(nics, ", "), why)
}

// note adds to what the file cannot allow or judge.
func (w *writer) note(format string, args ...any) {
	w.draft.Notes = append(w.draft.Notes, fmt.Sprintf(format, args...))
}

// portTexts are the container's host ports, for a note.
func portTexts(c netinfo.Container) string {
	var all []string
	for _, p := range c.Ports {
		host := "a port that Docker picks"
		if p.HostPort != 0 {
			host = fmt.Sprint(p.HostPort)
		}
		if p.HostPortEnd > p.HostPort {
			host += fmt.Sprintf("-%d", p.HostPortEnd)
		}
		all = append(all, fmt.Sprintf("%s/%s", host, p.Proto))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}
