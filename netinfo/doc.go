// Package netinfo holds what is known about this host: its links and
// addresses, Docker's networks and containers, and the listening sockets.
//
// It is for plain values only. Collecting them is done by the packages below
// it (hostnet asks the kernel, docker asks the engine); deciding anything from
// them is not done here.
//
// Invariants:
//
//  1. A Snapshot is a value: nothing in it changes after it was made.
//  2. After Normalize, two snapshots of the same facts are equal and have the
//     same JSON, whatever order the facts were learnt in.
//  3. Only the standard library is imported.
//
// Thread safety: values are read-only after Normalize, and then safe to share.
package netinfo
