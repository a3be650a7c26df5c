// Package facts assembles the snapshot of the host from what the kernel and
// the engine tell, keeps it fresh, and carries it over a restart of the agent.
//
// It is not for deciding: what follows from a snapshot is rules/compile's.
//
// Invariants:
//
//  1. While the engine is away its last answers stand, but for networks on
//     whose bridge a new port appeared: somebody new may have an old address.
//  2. A bridge that came while the engine was away is marked unplaced.
//  3. A port is taken for a host service's, and so left alone, only after it
//     was seen to be one twice, settleTime apart.
//
// Thread safety: a Collector's methods may be called from any goroutine.
package facts
