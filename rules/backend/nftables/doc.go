// Package nftables renders rules for nf_tables: as statements, which agent/kernel puts
// into netlink messages.
//
//	rules.Latch ─► rules.Ruleset ─► LatchChains ─► nft.Chain ─► agent/kernel ─► table inet dockwall
//
// It renders the latch. A compiled policy is rendered by rules/backend/iptables.
//
// Invariants:
//
//  1. Rendering is pure: the same ruleset gives the same statements.
//  2. A statement's bytes are what the kernel's register holds: host byte order for
//     metadata and conntrack, network byte order for the packet's own fields.
//  3. Each dropping rule counts its packets.
//
// Thread safety: values and pure functions.
package nftables
