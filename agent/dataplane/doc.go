// Package dataplane touches the kernel: it reads what is there and runs the
// steps of a plan. It decides nothing.
//
// Invariants:
//
//  1. Reading changes nothing: a table that does not exist is not made by
//     looking at it (iptables-legacy-save -t would).
//  2. A plan whose step fails is rolled back before Run returns.
//  3. Every command has a deadline, and is started without a shell.
//
// Thread safety: a Kernel may be used by one goroutine at a time; Own by any.
package dataplane
