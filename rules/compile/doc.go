// Package compile turns a policy and a snapshot of the host into the ruleset
// that the kernel is kept at. It is pure: no clock, no I/O, and the same
// answer whatever order the facts or the blocks came in.
//
// It is not for syntax (rules/backend/iptables renders) nor for meaning in the
// operator's terms (policy.Eval states that, and a property test holds the two
// together).
//
//	FORWARD ─► DOCKER-USER ─► DOCKWALL-FORWARD            INPUT ─► DOCKWALL-INPUT
//	             blocked ─────────────► Drop                         loopback ────────► Return
//	             has begun ───────────► Return                       blocked, begun: as in FORWARD
//	             in by a Docker bridge ─► DOCKWALL-INSIDE            in by a Docker bridge ─► DOCKWALL-HOST
//	             else ─► DOCKWALL-OUTSIDE                            else ─► DOCKWALL-INPUT-OUTSIDE
//	                       to a Docker bridge, or to                          Docker API ports ─► DOCKWALL-API
//	                       an unknown interface:                              published ports ─► DOCKWALL-PROXY
//	                       ─► DOCKWALL-PUBLISHED                              host-network ports ─► DOCKWALL-HOSTNET-PORTS, DOCKWALL-HOSTNET
//	                                                                          those of containers to come ─► DOCKWALL-HOSTNET-NEXT
//
// OUTPUT ─► DOCKWALL-OUTPUT holds docker-proxy back from containers that are not
// known (output.go).
//
// Where blocks name many published ports, DOCKWALL-PUBLISHED leads to chains of
// its own for spans of ports, and what none of them allows to
// DOCKWALL-PUBLISHED-REST (fork.go).
//
// The code is four layers. Each embeds the one before, and none calls one behind it
// (builder.go):
//
//	scope ─► members ─► paths ─► builder
//	scope    what the policy says of this host: defaults, networks, bindings
//	members  the sets, and what in them depends on each container
//	paths    the chains that judge by one kind of block
//	builder  the frame: the chains of the hooks, and what comes before the paths
//
// A new kind of block is a file with methods of paths, and a line in the builder's chain
// of the hook that its packets come by.
//
// Invariants:
//
//  1. What no block allows is refused by rules that name no container: a
//     container, a network or a published port that is not known is closed.
//  2. The number of rules depends on the blocks and the host's links only;
//     containers and addresses are members of sets. The exception is ownport.go:
//     on isolated networks, a container's own published ports take a rule for each
//     of its addresses.
//  3. Allowed means Return by way of Goto only, so that it leaves for the rule
//     after dockwall's own jump. Nothing is ever accepted.
//
// Thread safety: functions of values.
package compile
