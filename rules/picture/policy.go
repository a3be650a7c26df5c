package picture

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/policy"
)

// Policy is a block of the file, or a default that lets something through.
type Policy struct {
	// Name is "published.shop", Kind "published".
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Position string `json:"position,omitempty"`
	// From, To, Ports and Via are what it says, in words; empty where it says
	// nothing.
	From  []string `json:"from"`
	To    []string `json:"to"`
	Ports []string `json:"ports"`
	Via   []string `json:"via"`
	// Except are those it leaves out.
	Except []string `json:"except"`
}

// policies are the file's blocks in the order of the picture: those that block, those
// about clients outside, the defaults that decided something, and those about what
// containers send.
func (x *prober) policies(pic *Picture) []Policy {
	var block, outside, inside []Policy
	for e := range x.p.Entries() {
		switch p := policyOf(e); {
		case e.Kind == rules.KindSpoofing: // it opens no connection
		case e.Kind == rules.KindBlock, e.Kind == rules.KindQuarantine:
			block = append(block, p)
		case e.From.Addresses != nil:
			outside = append(outside, p)
		default:
			inside = append(inside, p)
		}
	}
	for _, name := range x.defaults(pic) {
		p := Policy{Name: name, Kind: string(x.places[name].Subject.Kind), Position: x.position(name)}
		outside = append(outside, p.full())
	}
	return append([]Policy{}, slices.Concat(block, outside, inside)...)
}

// policyOf says in words what the block says.
func policyOf(e policy.Entry) Policy {
	p := Policy{Name: e.Origin.Subject.String(), Kind: string(e.Kind), Position: position(e.Origin), From: sideWords(e.From), To: sideWords(e.To)}
	switch {
	case e.NoPorts:
		p.Ports = []string{"none"}
	case e.Ports != nil:
		p.Ports = portWords(*e.Ports)
	}
	if e.To.Addresses != nil && e.Kind == rules.KindEgress && e.To.Addresses.Empty() {
		p.To = []string{"nowhere"}
	}
	if e.Via != nil {
		p.Via = interfaces(*e.Via)
	}
	if e.Except != nil {
		p.Except = words(*e.Except)
	}
	if e.Spared != nil {
		p.Except = selected(*e.Spared)
	}
	return p.full()
}

// full has no nil lists: in JSON they would be null.
func (p Policy) full() Policy {
	for _, l := range []*[]string{&p.From, &p.To, &p.Ports, &p.Via, &p.Except} {
		*l = append([]string{}, *l...)
	}
	return p
}

func sideWords(s policy.Side) (out []string) {
	if s.Containers != nil {
		out = selected(*s.Containers)
	}
	if s.Addresses != nil {
		out = append(out, words(*s.Addresses)...)
	}
	return out
}

// defaults are the deciders that are no blocks, as far as they let something
// through to a port or between containers.
func (x *catalog) defaults(pic *Picture) []string {
	var names []string
	note := func(name string) {
		if !isBlock(x.places[name].Subject) {
			names = append(names, name)
		}
	}
	for _, p := range pic.ports() {
		for _, a := range p.Access {
			note(a.Policy)
		}
	}
	for _, n := range pic.Networks {
		for _, p := range n.Pairs {
			note(p.Policy)
		}
		for _, m := range n.Members {
			for _, e := range []Exit{m.Outside, m.Host} {
				if e.State == Some {
					for _, by := range e.By {
						note(by)
					}
				}
			}
		}
	}
	return union(names, nil)
}

// ports are all of the picture: containers', then the engine's.
func (pic *Picture) ports() []Port {
	var all []Port
	for _, c := range pic.Containers {
		all = append(all, c.Ports...)
	}
	return append(all, pic.API...)
}

// words are an address list's names and literals.
func words(l policy.AddressList) []string {
	var out []string
	if l.Any() {
		return []string{"any"}
	}
	for _, r := range l.Refs {
		out = append(out, "addresses."+r.Name)
	}
	for _, p := range l.Literals {
		if p.IsSingleIP() {
			out = append(out, p.Addr().String())
		} else {
			out = append(out, p.String())
		}
	}
	return out
}

func selected(sels []*policy.Selector) []string {
	var out []string
	for _, s := range sels {
		out = append(out, "containers."+s.Name)
	}
	return out
}

func interfaces(via []*policy.Interfaces) []string {
	var out []string
	for _, v := range via {
		out = append(out, "interfaces."+v.Name)
	}
	return out
}

// portWords says "53" of what is there for both protocols, as the file does.
func portWords(ports []policy.Ports) []string {
	var out []string
	for _, p := range ports {
		if p.IsPing() {
			if !slices.Contains(out, "icmp") {
				out = append(out, "icmp")
			}
			continue
		}
		text := fmt.Sprint(p.Lo)
		if p.Hi > p.Lo {
			text = fmt.Sprintf("%d-%d", p.Lo, p.Hi)
		}
		i := slices.IndexFunc(out, func(o string) bool {
			return strings.HasPrefix(o, text+"/") && (o == text+"/tcp") != (p.Proto.String() == "tcp")
		})
		if i >= 0 && p.Proto.String() != "sctp" && out[i] != text+"/sctp" {
			out[i] = text
			continue
		}
		out = append(out, text+"/"+p.Proto.String())
	}
	return out
}
