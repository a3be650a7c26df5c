// Package watch is the audit that goes on while agentd runs: it judges each container
// when it is created, started or changed, before its process runs if there is time, a
// docker exec with privileges when it is asked for, the whole host from time to time, and
// again when Docker's own files change.
//
// It is not for deciding what is right (rules/audit), nor for reading the host
// (agent/audit, netinfo/docker). It enforces nothing.
//
//	engine's events ─► Watch.happen ─► pending ─┐
//	files of Docker ─► Watch.look ──► whole ────┼─► Watch.work ─► rules/audit ─► record ─► status, metrics, log
//	every           ─────────────────► whole ───┘
//
// Invariants:
//
//  1. It has a connection to the engine and goroutines of its own: an engine that does not
//     answer makes it late, and no other part of the agent.
//  2. At most workers containers are read at a time, and the whole host takes at most a
//     twentieth of the time. The lists of what is to be judged are bounded.
//  3. What is kept of a container is the IDs of the checks that do not pass.
//  4. A failure stands until it is known that there is none: a fact that cannot be read
//     any more ends nothing.
//  5. A judgement logs one line for the failures that have come to a subject, and one for those that
//     have gone; one that fails again and again is logged once.
//
// Thread safety: a Watch's methods may be called from any goroutine.
package watch
