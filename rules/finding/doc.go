// Package finding is the one vocabulary of what dockwall has to tell an operator
// about a host: the compiler's warnings, the reasons why the state is degraded, and
// the results of an audit.
//
// It is for the codes and what each of them means. It is not for finding anything:
// rules/compile, agent/enforce and agent/reconcile do that.
//
// Invariants:
//
//  1. Each code stands once in the table (Kinds). Status, metrics, the man page and
//     the manual read the table; no other package lists codes.
//  2. A code never changes its meaning and is never used again for another one:
//     operators' tools compare codes.
//  3. What a finding is about is in its text; what to do is in the table, unless the
//     finding knows better.
//
// Thread safety: values.
package finding
