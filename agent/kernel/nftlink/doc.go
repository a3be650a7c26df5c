// Package nftlink puts values of rules/nft into the kernel's nftables, and reads them from
// there. It speaks netlink, and starts no process.
//
//	nft.Ops ─► Commit ─► one batch of messages ─► kernel ─► Read ─► nft.Table
//
// It encodes and decodes by itself, because github.com/google/nftables leaves out what it
// does not know when it reads: a rule of another program would be taken for one of
// dockwall's. It also writes sets of more than 64 KiB wrong, and its errors do not say
// which message the kernel refused (v0.3.0).
//
// It is not for deciding what is written: that is the backend's (rules/backend/nftables).
//
// Invariants:
//
//  1. What is written is read back as equal values, elements in the order of their keys.
//  2. What another program wrote and dockwall never writes is read as nft.Foreign, or as
//     Odd, never as something similar.
//  3. A transaction is in force in full, or nothing of it. Its error names the operation.
//  4. A table is read as of one generation.
//
// Thread safety: a Conn is for one goroutine, and of the network namespace that Dial was
// called in.
package nftlink
