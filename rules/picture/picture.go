package picture

import (
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// Picture is a host and what the policy makes of it.
type Picture struct {
	// Engine is Docker's version.
	Engine string `json:"engine,omitempty"`
	// Warnings are what makes the picture less than the truth, in sentences.
	Warnings []string `json:"warnings"`
	// Gates are the NICs, those together that the rules treat alike.
	Gates []Gate `json:"gates"`
	// Sources are the addresses that the policies name; the last is everyone else.
	Sources  []Source `json:"sources"`
	Policies []Policy `json:"policies"`
	// Networks are Docker's, with their containers; the last one holds containers on no network.
	Networks   []Network   `json:"networks"`
	Containers []Container `json:"containers"`
	// API are the engine's own TCP ports.
	API []Port `json:"docker_api"`
}

// State sums up what may pass.
type State string

// The states.
const (
	Open   State = "open"   // for at least one source
	Some   State = "some"   // for what the policies list
	Closed State = "closed" // for all
	// Stopped: the container does not run, so no rule was asked.
	Stopped State = "stopped"
	// Unassigned: Docker has not picked a host port, or the host does not have
	// the address that it is bound to.
	Unassigned State = "unassigned"
	// NotCovered: the traffic never meets the host's rules.
	NotCovered State = "not_covered"
	// Internal: Docker itself lets nothing out of the network.
	Internal State = "internal"
)

// Of is the picture of the host in the snapshot under the policy. The ruleset
// is what the two compile to, and must not change while it runs.
func Of(p policy.Policy, s netinfo.Snapshot, rs rules.Ruleset) Picture {
	rs = rs.Incoming()
	x := newProber(p, s, rs)
	pic := Picture{Engine: s.Engine.Version, Gates: x.gateList(), Sources: x.sourceList()}
	pic.Containers = x.containers()
	pic.Networks = x.networkList()
	pic.API = x.api()
	x.blocked(pic.Sources)
	pic.Policies = x.policies(&pic)
	pic.Warnings = x.warnings()
	return pic
}

// containers are all of them with their ports, as the snapshot orders them.
func (x *prober) containers() []Container {
	out := []Container{}
	for i := range x.s.Containers {
		out = append(out, x.container(&x.s.Containers[i]))
	}
	return out
}
