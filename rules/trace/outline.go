package trace

import (
	"fmt"

	"dockwall/rules"
)

// Outline tells packets apart by what the rules of some Machines ask of them.
// Two packets of one outline are treated alike by those rules, as far as the
// matches go that the Outline was made of.
type Outline struct{ conds []cond }

// NewOutline collects the distinct matches that about picks out of the
// Machines' rules. A match that no packet can be held against (a reference to
// a set that is not there) is left out.
func NewOutline(about func(rules.Match) bool, machines ...*Machine) *Outline {
	o := &Outline{}
	for _, m := range machines {
		// A set of one name may hold something else in another Machine.
		seen := map[string]bool{}
		for i := range m.chains {
			for j := range m.chains[i].rules {
				o.collect(m.chains[i].rules[j].conds, about, seen)
			}
		}
	}
	return o
}

func (o *Outline) collect(conds []cond, about func(rules.Match) bool, seen map[string]bool) {
	for _, c := range conds {
		in, ok := c.match.(rules.InSet)
		if !about(c.match) || ok && (c.set == nil || len(in.Dims) != c.set.typ.Dims()) {
			continue
		}
		key := fmt.Sprintf("%T%+v", c.match, c.match)
		if !seen[key] {
			seen[key] = true
			o.conds = append(o.conds, c)
		}
	}
}

// Of is the packet's outline: one byte for each match, whether it is a hit, a
// miss or unknown.
func (o *Outline) Of(p Packet) string {
	b := make([]byte, len(o.conds))
	for i := range o.conds {
		out, _ := o.conds[i].hold(&p)
		b[i] = out[0]
	}
	return string(b)
}
