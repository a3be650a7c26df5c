// Package iptables is the backend for iptables, in both its variants: it
// renders a ruleset as the text that iptables-restore and ipset restore take,
// parses what iptables-save and ipset save print, and plans the way from what
// is seen to what is wanted. Everything in it is pure; running a plan is the
// agent/kernel's.
//
//	filter    FORWARD ─► DOCKER-USER ─► DOCKWALL-…      decides
//	filter    INPUT ──────────────────► DOCKWALL-…      decides
//	security  FORWARD, INPUT ─────────► DOCKWALL-…      the guard: only denies again
//
// It is not for deciding what a policy means, and not for nftables' own tables.
//
// Invariants:
//
//  1. A rendered rule is byte for byte what iptables-save prints for it, so
//     wanted and observed are compared as text. (Interface names are the one
//     exception: iptables-save does not quote them, iptables-restore wants them
//     quoted. A rule has both spellings.)
//  2. Nothing from a name, prefix or comment gets out of its quotes or onto
//     another line.
//  3. Rules of others are never written, moved or deleted. What is ours:
//     chains beginning with DOCKWALL-, sets beginning with dockwall4- and
//     dockwall6-, and jumps whose comment begins with "dockwall:". The one
//     exception is the bare FORWARD jump to DOCKER-USER that Docker makes: it
//     is put back where it is missing, as Docker writes it, and then Docker's.
//     What comes before our jumps stays there if it can only refuse, return or log.
//  4. One step changes one table of one family, whole. Where other programs' native rules
//     of nftables stand in the chains that dockwall hooks, the jumps there are a step of
//     their own (plan.SetJumps): chains are written before it, and deleted after it.
//  5. A set that is there under a content name is complete: it is filled under
//     a temporary name and renamed last.
//
// Thread safety: values and pure functions.
package iptables
