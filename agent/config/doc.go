// Package config reads agent.hcl, and what stands beside it, into Settings and
// a policy.Policy, or says exactly where the file is wrong and what to write
// instead. It also watches those files.
//
// It is not for deciding what a policy means for the kernel (rules/compile
// does that) nor for anything that depends on the host: whether a NIC or a
// container is there is not asked here. It is the only importer of hcl.
//
// Invariants:
//
//  1. Load never panics and never waits for a file that is not a regular one.
//  2. A Document is returned exactly when no diagnostic is an error; nothing
//     is half applied.
//  3. The order of blocks, of the entries of a list, and how blocks are spread
//     over agent.d, never change the Document's Policy (positions aside).
//  4. Every list in the Policy is sorted and without duplicates; every
//     reference is a pointer into the Policy's own names blocks.
//  5. Every diagnostic that stems from a place in a file names that place.
//  6. A Reader takes no list and no file of hcl that a program is writing, as far as
//     the kernel can say, before it is closed, or some seconds passed (making.go). An
//     addresses file with errors leaves its last good state in force.
//
// How the file is read, step by step:
//
//	agent.hcl, agent.d/*.hcl ─ source ─► hcl bodies ─ block ─► names, then policies
//	                                                             │ reference, value
//	addresses files ─────────────── addressfile ─────────────────┴─► Document
//
// Thread safety: a Reader may be used from several goroutines. Load may run concurrently with itself and with Watch; a
// Document is read-only once returned. Watch calls its callbacks from the
// goroutine it runs in.
package config
