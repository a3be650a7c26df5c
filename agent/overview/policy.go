package overview

import (
	"fmt"
	"slices"

	"dockwall/rules"
)

// Policy is a block or a default, and what it decided on since the agent
// started: the first packets of connections, and all that it refused.
type Policy struct {
	Name string `json:"policy"`
	// Position is agent.hcl:31, and empty for what no file says.
	Position string `json:"position,omitempty"`
	Allowed  Counts `json:"allowed"`
	Denied   Counts `json:"denied"`
}

// policies are the policy's blocks, and then whatever else refused something.
func policies(f Facts) []Policy {
	all := []Policy{}
	told := map[string]bool{}
	for e := range f.Policy.Entries() {
		told[e.Origin.Subject.String()] = true
		all = append(all, f.policy(e.Origin))
	}
	networks := map[string]rules.Origin{}
	for _, n := range f.Policy.Networks {
		networks[n.Origin.Subject.String()] = n.Origin
	}
	var rest []string
	for name, n := range f.Denied {
		if !told[name] && n.Packets > 0 {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	for _, name := range rest {
		o, ok := networks[name]
		if !ok {
			o = rules.Origin{Subject: rules.ParseSubject(name)}
		}
		all = append(all, f.policy(o))
	}
	return all
}

func (f Facts) policy(o rules.Origin) Policy {
	name := o.Subject.String()
	p := Policy{Name: name, Allowed: f.Allowed[name], Denied: f.Denied[name]}
	if o.File != "" {
		p.Position = fmt.Sprintf("%s:%d", o.File, o.Line)
	}
	return p
}
