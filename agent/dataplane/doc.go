// Package dataplane touches the kernel: it reads what is there and runs the
// steps of a plan; and it has the latch, an nftables table that is its process's
// own, and the barrier, one that outlives it. It decides nothing.
//
// Invariants:
//
//  1. Reading changes nothing: a table that does not exist is not made by
//     looking at it (iptables-legacy-save -t would).
//  2. A plan whose step fails is rolled back before Run returns.
//  3. What the latch closes is open again when the process ends, however it does.
//  4. What the barrier closes stays closed when the process ends.
//  5. Every command has a deadline, and is started without a shell.
//
// Thread safety: a Kernel, a Latch and a Barrier may be used by one goroutine at a time; Own by
// any.
package dataplane
