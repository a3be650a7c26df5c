// Package docker keeps the facts about a Docker engine fresh: its networks,
// its containers, their addresses and published ports.
//
// It is for reading only and decides nothing: what the facts mean is settled
// in rules/compile. It is the only package that imports the engine's client,
// and within it only client.go and the decode files know the client's types.
//
//	engine ──events──► Source.handle ─┐
//	       ◄──reads─── reader         ├─► book ──► Facts
//	kernel ──pidfd───► processes ─────┘
//
// Events remove facts at once, by what the event itself says; they never add
// an address: addresses come from NetworkInspect alone, which answers while a
// container starts. Adding too late costs a container some milliseconds of
// reachability, removing too late would give its successor's address away.
//
// Inventory reads once, for an audit, what the firewall does not need: configuration
// of containers, images, networks and the engine itself. It keeps nothing.
//
// Invariants:
//
//  1. An endpoint is gone from Facts as soon as any source says so: its
//     process's death (seen by pidfd before dockerd has even noticed), die,
//     disconnect, destroy, or a read that does not list it.
//  2. What is known to be dead never comes back: neither by a read that was
//     begun before (the book's clock orders reads and events), nor by one that
//     was begun after while the engine had not noticed yet (endpoint IDs).
//  3. No address belongs to two containers of one network at any instant.
//  4. A failure to watch a process never removes anything.
//  5. While the engine is away the last facts stay, and Engine.Connected says so;
//     processes are watched until then.
//  6. Events only make things faster: a full reading at the start, after every
//     reconnect and at every resync leads to the same facts without them.
//
// Thread safety: Source's methods may be called from any goroutine. Facts are
// values; their slices and maps are shared between callers and never written.
package docker
