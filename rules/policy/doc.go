// Package policy is what the operator asked for: agent.hcl's meaning, with
// every reference resolved, and nothing of its syntax.
//
// It is not for reading files (agent/config does that) nor for deciding how
// the kernel is to be programmed (rules/compile does that).
//
// Invariants:
//
//  1. Blocks of one kind are sorted by name; order in the file never changes
//     meaning.
//  2. Prefixes are masked, sorted and without duplicates.
//  3. A reference is a pointer to the block it names; it is never nil.
//
// Thread safety: values; read-only once built.
package policy
