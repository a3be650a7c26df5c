package rules

import "strings"

// Kind is the kind of a Subject: a type of block in agent.hcl, or one of
// dockwall's own framing words.
type Kind string

// The kinds of blocks.
const (
	KindAddresses  Kind = "addresses"
	KindInterfaces Kind = "interfaces"
	KindContainers Kind = "containers"
	KindDefaults   Kind = "defaults"
	KindNetwork    Kind = "network"
	KindPublished  Kind = "published"
	KindDirect     Kind = "direct"
	KindBetween    Kind = "between"
	KindEgress     Kind = "egress"
	KindHost       Kind = "host"
	KindDNS        Kind = "dns" // an attribute of defaults and network alone
	KindDockerAPI  Kind = "docker_api"
	KindSwarm      Kind = "swarm"
	KindSpoofing   Kind = "spoofing" // also an attribute of defaults and network
	KindBlock      Kind = "block"
	KindQuarantine Kind = "quarantine"
)

// The kinds of framing rules, which no block of the file asks for.
const (
	KindEstablished Kind = "established"      // an established connection passes
	KindLoopback    Kind = "loopback"         // the host's own traffic passes
	KindMartian     Kind = "loopback.martian" // a loopback address from another host
	KindDispatch    Kind = "dispatch"         // leads to the chain that decides
	KindNotDocker   Kind = "not.docker"       // forwarded, and neither end is a container
	KindNeighbours  Kind = "neighbours"       // neighbour discovery
	KindICMP        Kind = "icmp"             // ICMP between containers and the host
	KindRouters     Kind = "routers"          // only a router sends this
	KindHold        Kind = "hold"             // the source is not known yet
	KindJudged      Kind = "judged"           // the mark of packets that dockwall has seen
	KindSpoofed     Kind = "spoofed"          // the source cannot be behind the interface
	KindSpoof       Kind = "spoof"            // a frame that its container may not send
	KindUnannounced Kind = "unannounced"      // the host dials a container that is not known yet
	KindServices    Kind = "services"         // a service of the host's own
	KindOwnPort     Kind = "own.port"         // a container and its own published port
	KindLatch       Kind = "latch"            // the latch, which drops what no rule has stamped
)

// Origin returns the origin of what has no name and no place in the file.
func (k Kind) Origin() Origin { return Origin{Subject: Subject{Kind: k}} }

// labelled are the kinds of blocks that have a name, "defaults" included: its
// names are those of its attributes.
var labelled = [...]Kind{KindAddresses, KindInterfaces, KindContainers, KindDefaults, KindNetwork, KindPublished, KindDirect,
	KindBetween, KindEgress, KindHost, KindBlock, KindQuarantine, KindSpoofing}

// Subject names a part of the policy: a block, a default, or a framing rule.
// The zero value names nothing.
type Subject struct {
	Kind Kind
	// Name is the block's label, for KindDefaults the attribute; empty for
	// docker_api, swarm and for framing rules.
	Name string
}

// ParseSubject reads what String writes.
func ParseSubject(text string) Subject {
	for _, k := range labelled {
		if name, ok := strings.CutPrefix(text, string(k)+"."); ok && name != "" {
			return Subject{k, name}
		}
	}
	return Subject{Kind: Kind(text)}
}

// String returns "published.shop", "defaults.published", "docker_api",
// "established": the name in rule comments, in messages and in JSON.
func (s Subject) String() string {
	if s.Name == "" {
		return string(s.Kind)
	}
	return string(s.Kind) + "." + s.Name
}

// MarshalText is String, so that JSON shows a subject as one word.
func (s Subject) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSubject; it accepts every text.
func (s *Subject) UnmarshalText(text []byte) error {
	*s = ParseSubject(string(text))
	return nil
}

// Default reports whether the subject holds where no block speaks: an attribute
// of defaults or of a network block.
func (s Subject) Default() bool { return s.Kind == KindDefaults || s.Kind == KindNetwork }

// Framing reports whether the subject is neither a block nor a default: what
// such a rule lets pass is not judged by the policy.
func (s Subject) Framing() bool {
	switch s.Kind {
	case KindPublished, KindBetween, KindEgress, KindHost, KindDockerAPI, KindSwarm, KindBlock, KindQuarantine, KindSpoofing, KindDefaults, KindNetwork:
		return false
	case KindDirect:
		return s.Name == ""
	}
	return true
}
