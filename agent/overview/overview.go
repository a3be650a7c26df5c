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
	// Name is published, between, egress, host, docker_api or block.
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
	of := func(name string, blocks int, def policy.Action, own func(policy.Network) policy.Action) Matter {
		m := Matter{Name: name, Default: string(def), Blocks: blocks}
		for _, n := range p.Networks {
			if a := own(n); a != "" && a != def {
				m.Networks = append(m.Networks, n.Name+" "+string(a))
			}
		}
		return m
	}
	api := Matter{Name: "docker_api", Default: string(policy.Deny)}
	if p.DockerAPI != nil {
		api.Blocks = 1
	}
	return []Matter{
		of("published", len(p.Published), p.Defaults.Published, func(n policy.Network) policy.Action { return n.Published }),
		of("between", len(p.Between), p.Defaults.Between, func(n policy.Network) policy.Action { return n.Between }),
		of("egress", len(p.Egress), p.Defaults.Egress, func(n policy.Network) policy.Action { return n.Egress }),
		of("host", len(p.Host), p.Defaults.Host, func(n policy.Network) policy.Action { return n.Host }),
		api,
		{Name: "block", Default: string(policy.Allow), Blocks: len(p.Blocks)},
	}
}

// origins are where the blocks stand that decide on packets, in the order of
// matters.
func origins(p policy.Policy) []rules.Origin {
	var all []rules.Origin
	for _, b := range p.Published {
		all = append(all, b.Origin)
	}
	for _, b := range p.Between {
		all = append(all, b.Origin)
	}
	for _, b := range p.Egress {
		all = append(all, b.Origin)
	}
	for _, b := range p.Host {
		all = append(all, b.Origin)
	}
	if p.DockerAPI != nil {
		all = append(all, p.DockerAPI.Origin)
	}
	for _, b := range p.Blocks {
		all = append(all, b.Origin)
	}
	return all
}
