package draw

import (
	"slices"
	"strconv"
	"strings"

	"dockwall/rules/picture"
)

// plug is where a wire meets a policy's lane.
type plug struct {
	policy string
	// part: not for all of those whose wire it is.
	part bool
	// into: the lane leads to the wire's end, not from it.
	into bool
}

// entry is a line at a gate: sources that fare alike there, and the policies
// that let them in.
type entry struct {
	label, tip string
	// sources are those in it.
	sources []int
	// sub are addresses, but those that are not among them.
	sub, but []string
	// blocked by a block; with no plugs at all, closed.
	blocked bool
	plugs   []plug
	y       int
}

// standing is how a source fares at a gate.
type standing struct {
	source *picture.Source
	index  int
	plugs  []plug
	// reaches are the ports that it gets to, and whether all of it does.
	reaches map[int]bool
	but     []string
	rest    bool
}

// entries are a gate's lines: the sources that reach a port, the blocked ones, and the
// others in one.
func entries(p *picture.Picture, gate int) []entry {
	all := standings(p, gate)
	rest := &all[len(all)-1]
	everyone := dominated(all)
	var out []entry
	var closed []*standing
	for i := range all {
		s := &all[i]
		if everyone && !s.rest && s.source.Blocked == "" {
			s.plugs = without(s.plugs, rest.plugs)
			if len(s.plugs) == 0 {
				continue
			}
		}
		switch {
		case s.source.Blocked != "":
			s.plugs = []plug{{policy: s.source.Blocked}}
			out = insert(p, out, s, gate)
		case s.rest:
		case len(s.plugs) == 0:
			closed = append(closed, s)
		default:
			out = insert(p, out, s, gate)
		}
	}
	return append(out, restEntry(p, rest, closed, everyone, len(out) > 0, gate))
}

func standings(p *picture.Picture, gate int) []standing {
	all := make([]standing, len(p.Sources))
	for i := range p.Sources {
		all[i] = standing{source: &p.Sources[i], index: i, rest: p.Sources[i].Rest, reaches: map[int]bool{}}
	}
	for n, port := range ports(p) {
		for _, a := range port.Access {
			if a.Gate != gate {
				continue
			}
			s := &all[a.Source]
			i := slices.IndexFunc(s.plugs, func(g plug) bool { return g.policy == a.Policy })
			if i < 0 {
				i = len(s.plugs)
				s.plugs = append(s.plugs, plug{policy: a.Policy})
			}
			s.plugs[i].part = s.plugs[i].part || len(a.But) > 0
			s.reaches[n] = len(a.But) == 0
			s.but = append(s.but, a.But...)
		}
	}
	for i := range all {
		slices.SortFunc(all[i].plugs, func(a, b plug) int { return strings.Compare(a.policy, b.policy) })
	}
	return all
}

// ports are all of the picture.
func ports(p *picture.Picture) []picture.Port {
	var all []picture.Port
	for _, c := range p.Containers {
		all = append(all, c.Ports...)
	}
	return append(all, p.API...)
}

// line is the addresses in one line: the first of them, and the excluded ones.
func (e *entry) line(room, size int) string {
	if len(e.but) == 0 {
		return some(e.sub, room, size, monoWidth)
	}
	not := "not " + some(e.but, room/2, size, monoWidth)
	if len(e.sub) == 0 {
		return not
	}
	return some(e.sub, room-width(not, size, monoWidth)-size, size, monoWidth) + " " + not
}

// dominated reports whether sources that no policy names reach no port where one that is
// named, and not blocked, does not: then it is everyone.
func dominated(all []standing) bool {
	rest := &all[len(all)-1]
	for i := range all {
		for port := range rest.reaches {
			if s := &all[i]; s.source.Blocked == "" && !s.rest && !s.reaches[port] {
				return false
			}
		}
	}
	return len(rest.plugs) > 0
}

func without(plugs, others []plug) []plug {
	return slices.DeleteFunc(slices.Clone(plugs), func(g plug) bool {
		return slices.ContainsFunc(others, func(o plug) bool { return o.policy == g.policy })
	})
}

// insert adds a source's line, or its name to one of sources that fare alike.
func insert(p *picture.Picture, out []entry, s *standing, gate int) []entry {
	label, sub := nameOf(s.source), listed(s.source)
	i := slices.IndexFunc(out, func(e entry) bool { return slices.Equal(e.plugs, s.plugs) })
	if i < 0 {
		return append(out, entry{label: label, sources: []int{s.index}, sub: sub, but: butOf(s), tip: sourceTip(p, s, gate), blocked: s.source.Blocked != "", plugs: s.plugs})
	}
	e := &out[i]
	e.label += ", " + label
	e.sub = append(e.sub, sub...)
	e.but = append(e.but, butOf(s)...)
	e.sources = append(e.sources, s.index)
	e.tip += "\n\n" + sourceTip(p, s, gate)
	return out
}

// nameOf is the name without its kind.
func nameOf(s *picture.Source) string { return strings.TrimPrefix(s.Name, "addresses.") }

// listed are the source's addresses, where its name does not say them.
func listed(s *picture.Source) []string {
	if !strings.HasPrefix(s.Name, "addresses.") {
		return nil
	}
	var words []string
	for _, p := range s.Prefixes {
		if p.IsSingleIP() {
			words = append(words, p.Addr().String())
		} else {
			words = append(words, p.String())
		}
	}
	if n := s.Count - len(words); n > 0 {
		words = append(words, count(n)+" more")
	}
	return words
}

// butOf are the addresses that do not get where the others of the source do.
func butOf(s *standing) []string {
	var out []string
	for _, b := range s.but {
		address, _, _ := strings.Cut(b, " (")
		out = append(out, address)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func sourceTip(p *picture.Picture, s *standing, gate int) string {
	lines := []string{joined(s.source.Name, s.source.Position)}
	if l := listed(s.source); len(l) > 0 {
		lines = append(lines, strings.Join(l, ", "))
	}
	if s.source.Blocked != "" {
		return strings.Join(append(lines, "stopped before everything else by "+s.source.Blocked), "\n")
	}
	for _, g := range s.plugs {
		lines = append(lines, opened(p, g.policy, s.index, gate)...)
	}
	return strings.Join(lines, "\n")
}

// opened says what the policy opens for the source at the gate.
func opened(p *picture.Picture, policy string, source, gate int) []string {
	var names, but []string
	position := ""
	each(p, func(owner string, port *picture.Port) {
		for _, a := range port.Access {
			if a.Gate == gate && a.Source == source && a.Policy == policy {
				names, position = append(names, owner+" "+port.Host), a.Position
				but = append(but, a.But...)
			}
		}
	})
	slices.Sort(but)
	lines := []string{joined(policy, position) + ": " + firsts(names, 8)}
	if but = slices.Compact(but); len(but) > 0 {
		lines = append(lines, "  but not "+firsts(but, 8))
	}
	return lines
}

// each yields every port with whose it is.
func each(p *picture.Picture, f func(owner string, port *picture.Port)) {
	for i := range p.Containers {
		for j := range p.Containers[i].Ports {
			f(p.Containers[i].Name, &p.Containers[i].Ports[j])
		}
	}
	for i := range p.API {
		f("Docker API", &p.API[i])
	}
}

// restEntry is the line of every source that is not named above.
func restEntry(p *picture.Picture, rest *standing, closed []*standing, everyone, others bool, gate int) entry {
	e := entry{label: "everyone else", sources: []int{rest.index}, plugs: rest.plugs}
	if everyone || !others && len(rest.plugs) == 0 {
		e.label = "everyone"
	}
	if len(rest.plugs) == 0 {
		e.sub = []string{"nothing is open"}
		e.tip = "Nothing that a container publishes is open to them here."
		var names []string
		for _, s := range closed {
			names = append(names, s.source.Name)
		}
		if len(names) > 0 {
			e.tip += "\n" + firsts(names, 12) + " included."
		}
		return e
	}
	e.tip = sourceTip(p, rest, gate)
	if len(closed) > 0 {
		// They may less than everyone else.
		var names []string
		for _, s := range closed {
			names = append(names, nameOf(s.source))
		}
		e.but = names
	}
	return e
}

// joined is a name and where it stands.
func joined(name, position string) string {
	if position == "" {
		return name
	}
	return name + " (" + position + ")"
}

// firsts are the first of many.
func firsts(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ", ")
	}
	return strings.Join(words[:n], ", ") + " and " + count(len(words)-n) + " more"
}

func count(n int) string { return strconv.Itoa(n) }
