// Package meaning says what it means to put one ruleset in the place of
// another: which sources gain or lose access, in an operator's terms.
//
// It asks rules/trace what becomes of packets under both rulesets, and reports
// of those that fare differently. It is not for comparing rules as text (that
// is the backend's diff), nor for the answer to one question (that is explain).
//
//	sources × interfaces ──┐
//	                       ├─ a packet of each class ─► trace before, trace after ─► rows ─► merged
//	targets and ports ─────┘                                                    └─► table
//
// Changes are all that differs, in addresses and names of containers. Table is the same for
// people: by what is reached, in the names of the file's blocks, which Options.Policy has.
// If it would be long, the containers that lose or gain access to one another by the same
// block share one entry; Changes tells them apart.
//
// Every address that a ruleset could tell from another is looked at, without
// trying them all: the rules ask of a packet's source only whether certain
// prefixes and sets hold it, so addresses that give the same answers are one
// class, and one of them stands for all. The same holds for interfaces, for
// targets and for ports.
//
// Invariants:
//
//  1. Pure: the same answer for the same values, in the same order.
//  2. A change is told if and only if a probed packet has another verdict.
//     That another block gives the same verdict is no change.
//  3. Compare(a, b) gains what Compare(b, a) loses.
//  4. The work is bounded. What was not looked at is said in LeftOut.
//
// Looked at are TCP and UDP; containers, networks and published ports are
// those of the snapshot.
//
// Thread safety: functions of values.
package meaning
