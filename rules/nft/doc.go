// Package nft is the part of nftables' language that dockwall writes, as values: tables,
// sets, chains, rules of statements, and the operations of a transaction.
//
//	rules.Ruleset ─► rules/backend/nftables ─► nft.Table ─► []nft.Op ─► plan.EditTable ─► agent/kernel ─► netlink
//
// rules/backend/nftables writes values of it and reads them back into rules, agent/kernel
// puts them into netlink messages and reads them from there, and rules/plan keeps operations
// in files.
//
// Invariants:
//
//  1. A statement's bytes are what the kernel's register holds: host byte order for
//     metadata and conntrack, network byte order for the packet's own fields.
//  2. Two rules do the same if their statements are deeply equal: there is one way to write
//     each condition.
//  3. Each value can be written to a file as JSON and read back; a kind that is unknown
//     there is an error.
//
// Thread safety: values.
package nft
