package overview

import (
	"fmt"
	"time"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// Overview is what is in force.
type Overview struct {
	Enforced []Matter `json:"enforced"`
	// NotCovered says what the rules do not reach, each in a sentence.
	NotCovered []string `json:"not_covered"`
	Policies   []Policy `json:"policies"`
	// CountedAt is when the kernel's counters were read; zero if not yet.
	CountedAt  time.Time   `json:"counted_at,omitzero"`
	Containers []Container `json:"container_list"`
}

// Matter is one kind of traffic, and what holds for it.
type Matter struct {
	// Name is published, direct, between, egress, host, docker_api or block; quarantine as
	// well, if there is such a block.
	Name string `json:"name"`
	// Default is allow or deny: what holds where no block speaks.
	Default string `json:"default"`
	// Networks are those for which something else holds, as "shop_back deny".
	Networks []string `json:"networks,omitempty"`
	// Blocks is how many blocks there are.
	Blocks int `json:"blocks"`
}

// Counts is how many packets a block decided on.
type Counts struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Facts are what an overview is made of.
type Facts struct {
	Policy   policy.Policy
	Snapshot netinfo.Snapshot
	// Allowed and Denied are what blocks decided on since the agent started, by
	// the name that their rules carry (published.shop, defaults.published).
	Allowed, Denied map[string]Counts
	CountedAt       time.Time
	// Refused is how many of the refused packets that were reported last came
	// from a container or were for it, by its name.
	Refused map[string]int
	// Failing is what the agent itself knows not to be in force.
	Failing []string
}

// Of makes the overview.
func Of(f Facts) Overview {
	o := Overview{Enforced: matters(f.Policy), Policies: policies(f), CountedAt: f.CountedAt,
		Containers: containers(f.Snapshot, f.Refused), NotCovered: append([]string{}, f.Failing...)}
	for _, c := range o.Containers {
		if !c.Covered {
			o.NotCovered = append(o.NotCovered, fmt.Sprintf("container %s: %s", c.Name, c.Why))
		}
	}
	return o
}

// matters are the kinds of traffic in the order that people think of them.
func matters(p policy.Policy) []Matter {
	if p.Defaults.Published == "" {
		return []Matter{} // no policy is in force yet
	}
	blocks := map[rules.Kind]int{}
	for e := range p.Entries() {
		blocks[e.Kind]++
	}
	var all []Matter
	for _, k := range policy.Defaulted() {
		def := p.Defaults.Action(k)
		m := Matter{Name: string(k), Default: string(def), Blocks: blocks[k]}
		for _, n := range p.Networks {
			if a := *n.Of(k); a != "" && a != def {
				m.Networks = append(m.Networks, n.Name+" "+string(a))
			}
		}
		all = append(all, m)
	}
	if n := blocks[rules.KindQuarantine]; n > 0 {
		all = append(all, Matter{Name: string(rules.KindQuarantine), Default: string(policy.Allow), Blocks: n})
	}
	all = append(all, Matter{Name: "docker_api", Default: string(policy.Deny), Blocks: blocks[rules.KindDockerAPI]})
	if p.Swarm != nil {
		all = append(all, Matter{Name: "swarm", Default: string(policy.Deny), Blocks: 1})
	}
	return append(all, Matter{Name: "block", Default: string(policy.Allow), Blocks: blocks[rules.KindBlock]})
}
