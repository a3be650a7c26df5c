// Package conntrack ends connections: it deletes, freezes and diverts entries of the
// kernel's connection tracking table, and destroys TCP sockets of this host.
//
// It does what it is told. Which connections end is decided by agent/cutter, and the
// table is read by netinfo/hostnet, whose Flow and Connection name what is to end.
//
//	hostnet.EachFlow ───────► agent/cutter ─► Table.Delete, Freeze, Divert ─► nfnetlink
//	hostnet.TCPConnections ─►              ─► DestroyTCPSockets ────────────► sock_diag
//
// Invariants:
//
//  1. Everything is about the network namespace of the calling thread.
//  2. Something that is gone already is no error.
//  3. An entry is changed by its ID: a later connection of the same addresses stays.
//  4. A question to the kernel ends within answerTimeout.
//
// Thread safety: a Table is for one goroutine at a time; functions may be called from any.
package conntrack
