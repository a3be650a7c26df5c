package draw

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"dockwall/rules/picture"
)

// Dot writes the picture for Graphviz.
func Dot(w io.Writer, p picture.Picture, title string) error {
	g := graph{w: new(bytes.Buffer), p: &p}
	g.write(title)
	if _, err := w.Write(g.w.Bytes()); err != nil {
		return fmt.Errorf("writing the picture: %w", err)
	}
	return nil
}

// graph is a picture on its way to dot.
type graph struct {
	w *bytes.Buffer
	p *picture.Picture
	// edges are written last, after all that they join.
	edges []string
}

func (g *graph) write(title string) {
	g.line("digraph dockwall {")
	g.line("  graph [rankdir=LR, label=%s, labelloc=t, fontname=sans, ranksep=1.2]", quote("Access: "+title))
	g.line("  node [shape=box, fontname=monospace, fontsize=10]")
	g.line("  edge [color=gray40]")
	for i, w := range g.p.Warnings {
		g.line("  %s [shape=note, label=%s]", quote(fmt.Sprint("warning", i)), quote(w))
	}
	all := allEntries(g.p)
	for i := range g.p.Gates {
		if all[i] != nil {
			g.gate(i, all[i])
		}
	}
	boxes := groups(g.p)
	markParts(boxes, all)
	lanes := used(sends(boxes))
	for i := range g.p.Policies {
		p := &g.p.Policies[i]
		g.policy(p, p.Name)
		for _, lane := range []string{p.Name + " IPv4", p.Name + " IPv6"} {
			if lanes[lane] {
				g.policy(p, lane)
			}
		}
	}
	for i, box := range boxes {
		g.group(i, &box)
	}
	for _, e := range g.edges {
		g.line("  %s", e)
	}
	g.line("}")
}

func (g *graph) line(format string, args ...any) { fmt.Fprintf(g.w, format+"\n", args...) }

func (g *graph) edge(from, to, attributes string) {
	g.edges = append(g.edges, fmt.Sprintf("%s -> %s%s", quote(from), quote(to), attributes))
}

func (g *graph) gate(i int, entries []entry) {
	gate := &g.p.Gates[i]
	g.line("  subgraph %s {", quote(fmt.Sprint("cluster_gate", i)))
	g.line("    label=%s", quote(strings.Join(nicLines(gate), ", ")))
	for j, e := range entries {
		id := fmt.Sprintf("gate%d.%d", i, j)
		label, style := e.label, ""
		if sub := e.line(400, 9); sub != "" {
			label += "\n" + sub
		}
		if e.blocked || len(e.plugs) == 0 {
			style = ", color=red"
		}
		g.line("    %s [label=%s, tooltip=%s%s]", quote(id), quote(label), quote(e.tip), style)
		for _, p := range e.plugs {
			g.edge(id, "policy."+p.policy, p.dashes())
		}
	}
	g.line("  }")
}

func (g *graph) policy(p *picture.Policy, lane string) {
	c := card{policy: p}
	c.describe(incoming(p))
	color := "black"
	if p.Kind == "block" {
		color = "red"
	}
	label := lane + "\n" + strings.Join(c.lines, "\n")
	if p.Position != "" {
		label += "\n" + p.Position
	}
	g.line("  %s [shape=hexagon, color=%s, label=%s, tooltip=%s]", quote("policy."+lane), color, quote(label), quote(c.tip))
}

func (g *graph) group(i int, box *group) {
	g.line("  subgraph %s {", quote(fmt.Sprint("cluster_network", i)))
	label := box.title
	for _, b := range box.badges {
		label += "\n" + b.text
	}
	style := "solid"
	if box.loose {
		style = "dashed"
	}
	g.line("    label=%s; style=%s; tooltip=%s", quote(label), style, quote(box.tip))
	for j := range box.rows {
		g.member(fmt.Sprintf("member%d.%d", i, j), &box.rows[j])
	}
	g.line("  }")
}

// sends are the containers' wires to policies.
func sends(boxes []group) []wire {
	var out []wire
	for _, g := range boxes {
		for _, m := range g.rows {
			out = append(out, wire{plugs: m.sends})
		}
	}
	return out
}

// member is a container's node, and one for each of its ports.
func (g *graph) member(id string, m *member) {
	label := m.name
	if m.note != "" {
		label += "\n" + m.note
	}
	g.line("    %s [label=%s, tooltip=%s]", quote(id), quote(label), quote(m.tip))
	for k := range m.ports {
		p := &m.ports[k]
		port := fmt.Sprintf("%s.%d", id, k)
		color, text := "gray", p.text
		switch p.state {
		case picture.Open:
			color = "green4"
		case picture.Closed:
			color, text = "red", text+"\nclosed"
		}
		g.line("    %s [shape=oval, color=%s, label=%s, tooltip=%s]", quote(port), color, quote(text), quote(p.tip))
		g.edge(port, id, " [arrowhead=none]")
		for _, l := range p.plugs {
			g.edge("policy."+l.policy, port, l.dashes())
		}
	}
	for _, l := range m.sends {
		g.edge(id, "policy."+l.policy, "")
	}
	for _, l := range m.takes {
		g.edge("policy."+l.policy, id, " [constraint=false]")
	}
}

func (p plug) dashes() string {
	if p.part {
		return " [style=dashed]"
	}
	return ""
}

// quote makes a dot string of text. A backslash would begin an escape of dot's,
// which looks into strings for them.
func quote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(cleanLines(s))
	return `"` + s + `"`
}
