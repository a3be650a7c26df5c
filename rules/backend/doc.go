// Package backend is the contract between dockwall and the languages in which a kernel
// takes rulesets. rules/backend/iptables implements it for both variants of iptables.
//
//	rules.Ruleset ─┐
//	               ├─ Diff, Move ─► plan.Plan ─► agent/kernel ─► kernel
//	State ─────────┘                                                  │
//	  ▲                                                               │
//	  └── read by agent/kernel, with the backend's parser ◄────────┘
//
// The packages that enforce, compare, explain and count work with these types alone.
// Only the code that runs plans, the wiring and tests import a backend
// (test/deps_test.go). This package is not for what a backend does with its own kernel
// names: chains, tables, hooks, set names, and which Docker generation needs which of them
// are the backend's own.
//
// Invariants, for every backend:
//
//  1. A Backend is comparable. Two that are equal write the same ruleset alike, so that a
//     State of one is a State of the other.
//  2. Diff(want, have) returns an empty plan if and only if the kernel that have was read
//     from holds what want says. The state that it returns is what is read after its plan
//     has run, cleanup included; with an empty plan it is have. (A backend may need a
//     second plan where another version has left things in the way, as iptables does
//     for a set of another type. The first plan then already does what want says.)
//  3. A plan changes both families. If the kernel language cannot change both at once,
//     plan.Step.Beside marks the pairs of steps; otherwise the plan has one step for both.
//  4. Move(moves, have) does what Diff would do for the moved members, without reading
//     anything else. It changes have.
//  5. Ruleset(have) returns what the kernel does, in the words of the model: walked by
//     rules/trace it gives the verdicts of the ruleset that was written. What it cannot
//     read it counts, and never guesses.
//
// A backend whose kernel counts generations keeps the one that it read in its State, and
// puts it into the actions of its plans: the runner makes the kernel reject a plan that was
// made for another generation.
//
// To add a backend: implement Backend, add its actions to rules/plan (the tests name what
// then lacks them), a runner to agent/kernel, and its kernel to rules/ruletest.
//
// Thread safety: values. A State may be used by one goroutine at a time, because Move
// changes it.
package backend
