// Package nftables implements rules/backend for nf_tables: one table, inet dockwall, of both
// families, with its sets, which one transaction changes.
//
//	rules.Ruleset ─► Backend.Diff ─► plan.EditTable ─► agent/kernel ─► table inet dockwall
//	                     ▲                                                  │
//	                     └──────────── State ◄── nft.Table ◄───────────────┘
//
// The table's chains stand before filter (priority -1), and its rules drop or return: a drop
// is final, so that no other program's accept comes before it, and the guard of
// rules.Ruleset is not written. A set is one set of hashes for each length of prefix and
// family, named after the block that it is for: published.shop_4_24. A rule is one line for
// each way in which it can hold (ways), and each line says in its comment which block it is
// of, where that stands, and the rule's ID.
//
// LatchChains renders the latch, whose table is the agent's own matter.
//
// Invariants:
//
//  1. Rendering is pure: the same ruleset gives the same statements, except the lengths of
//     sets that are edited in place, which stay once they are there.
//  2. A line that leaves the packet in the chain (log, stamp, jump) is met once: no packet
//     has two of the ways of its rule.
//  3. A rollback leads back from before and from after each step of its plan: it finds
//     nothing there or missing that it does not expect.
//
// Thread safety: values and pure functions. A State may be used by one goroutine at a time.
package nftables
