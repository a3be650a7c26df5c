// Package composefile reads a Compose file with compose-go, the library of docker
// compose, as the containers that it would start.
//
// It is for the facts alone, with the file and line of each. What is right and wrong is
// decided in rules/audit, by the checks that judge running containers.
//
//	file, includes, extends ─► compose-go ─► project ─┐
//	                       └─► YAML nodes ─► lines ───┴─► inventory.Compose
//
// Invariants:
//
//  1. Only files of this host are read: nothing is fetched. Reading ends within Limit,
//     whatever a file that is included is.
//  2. A file that compose-go refuses is a Compose with the reason.
//  3. What the file does not say is not made up: facts of the host and of the image
//     are unread. A variable without a value stays ${NAME}.
//  4. No value of a secret is kept.
//
// Only agentctl uses it: compose-go is not linked into agentd.
//
// Thread safety: Read may be called by several goroutines.
package composefile
