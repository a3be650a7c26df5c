// Package cutter ends live connections that a tighter policy no longer allows.
// The ruleset lets replies and established connections pass, so without a cut a
// connection that was opened before the change would go on.
//
// It finds connections and ends them. It writes no rule, and decides nothing of
// its own: a connection is allowed if rules/trace lets its first packet pass, were
// it sent now.
//
//	connection table ─► judge ─┬─ denied ──────────────────────► socket destroyed (TCP to the host),
//	                           │                                 barrier closed, entry deleted
//	                           ├─ depends on the interface
//	                           │    ├─ most likely allowed, TCP ► barrier closed to denied interfaces
//	                           │    └─ else ───────────────────► barrier closed to answers, entry deleted
//	                           └─ allowed, undecided ──────────► left alone
//	sockets of published ports ─► (untracked or idle TCP) ─► destroyed
//
// A deleted entry comes back with the next packet that the rules let pass, in that
// packet's direction: with docker-proxy's answers, or a container's, which egress
// allows. The client's packets would then be answers. So the barrier drops packets of a
// cut connection that would make an entry. The client's own packets the rules judge:
// by those that they allow, an entry is made, and the barrier is in the way of
// nothing that belongs to it.
//
// Conntrack does not know the interface that a connection's packets come in by, and
// it need not be the one that leads to the client. Where the verdict depends on
// it, the kernel judges the client's next packet, with its real interface.
//
// Without a barrier (a kernel without nf_tables), forwarded TCP entries are frozen,
// and for others an entry is made that has the answers leave by a port that the
// client does not know. Both end by themselves, and by forged packets. Connections
// whose verdict depends on the interface are then judged by the likeliest one. For
// some two seconds the cutter looks for connections that came back.
//
// Invariants:
//
//  1. An undecided walk cuts nothing, and is counted: a source that is held because
//     no container of that address is known yet is one.
//  2. The host's own connections are never touched, nor those on loopback, nor
//     connections that conntrack expected because of another one (FTP's data).
//  3. An entry that tracking picked up midstream may be reversed: one whose
//     source port is published is judged the other way round.
//  4. Nothing is cut before the engine's containers are known: they would all be
//     taken for strangers.
//  5. Connections that a packet with a false source may have made are ended only by
//     the first cut after a time without rules for that source (AskFirst, AskClaimed).
//
// Thread safety: Judge is a function of values. Ask, AskFirst, AskClaimed, AskReopen and Closed
// may be called from any goroutine; Run belongs to one. Cut works in the network
// namespace of the calling thread and starts no goroutine.
package cutter
