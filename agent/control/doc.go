// Package control is the agent's unix socket: HTTP and JSON, for agentctl and
// for the other programs on the host that run as root.
//
// It is for carrying questions and answers. What the answers are is decided by
// the package that made the Routes; nothing here knows the loop, the file or the kernel.
//
//	agentctl ─ Client ─► agent.sock ─ Server ─► Route (one file per verb: status.go, snapshot.go, rules.go, reload.go, trial.go, denied.go)
//	                     agent.sock.lock: held by the one agent that runs
//
// A verb is one file, with the Route for the agent and the Client's method side
// by side. A Route that goes on for as long as the client listens sets Stream.
//
// Invariants:
//
//  1. At most one agent listens on a socket: the lock beside it is taken first
//     and held until the agent ends. The lock file is never removed.
//  2. The socket is never open to anybody but its owner and group (0660), not
//     even for a moment.
//  3. A path that is not a socket is never removed, nor one that a process
//     still answers on.
//  4. Every request is bounded: in time, in size, and in how many at once.
//
// Thread safety: Client and Server may be used from several goroutines; a
// Route's source is called from several at once.
package control
