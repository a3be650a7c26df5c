// Package cutter ends live connections that a tighter policy no longer allows.
// The ruleset lets replies and established connections pass, so a connection
// that was opened before the change would go on for ever.
//
// It is for finding and ending them. It writes no rule, and decides nothing of
// its own: what is allowed is what rules/trace says of the connection's first
// packet, were it sent now.
//
//	connection table ─► Judge ─┬─ forwarded TCP ─► frozen
//	                           ├─ forwarded UDP, others ─► deleted, answers diverted
//	                           └─ to the host (docker-proxy, services)
//	                                ├─ TCP ─► socket destroyed, entry deleted
//	                                └─ UDP ─► deleted, answers diverted
//	sockets of published ports ─► (untracked or idle TCP) ─► destroyed
//
// A deleted entry comes back with the next packet that the rules let pass, in
// that packet's direction: docker-proxy's answers, or a container's, which
// egress allows. By such an entry the connection would live again. So TCP's
// stays, frozen, and where an entry must go, one is made that leads the answers
// out by another port than the client knows. What was under way meanwhile is
// looked for again for some two seconds.
//
// Not cut for good is UDP that a container goes on sending to a client that
// knows it by its own address (routed mode): egress allows that.
//
// Invariants:
//
//  1. What cannot be told for certain is left alone, and counted: an undecided
//     walk, several NICs whose verdicts differ, a source that is held because
//     nobody knows it yet.
//  2. The host's own connections are never touched, nor those on loopback, nor
//     what connection tracking expected of another connection (FTP's data).
//  3. An entry that tracking picked up midstream may be reversed: one whose
//     source port is published is judged the other way round.
//  4. Nothing is cut while nothing is known of the engine's containers: they
//     would all be taken for strangers.
//
// Thread safety: Judge is a function of values. Ask may be called from any
// goroutine; Run belongs to one. Cut works in the network namespace of the
// calling thread and starts no goroutine.
package cutter
