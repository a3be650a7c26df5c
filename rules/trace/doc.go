// Package trace says what becomes of one packet in a ruleset, and why.
//
// It is for explain, for finding the connections that a tighter policy no
// longer allows, and for the tests that compare the compiler with the policy's
// meaning. It is not for reading a kernel's rules, nor for anybody else's
// rules: what leaves dockwall's chains is Pass, and Docker and the host go on
// with it.
//
//	base chain ─► hooked chain ─┬─ Jump ─► chain ─┐ Return or the end: back to the next rule
//	                            │                 └──────────────────────────────┐
//	                            ├─ Goto ─► chain ── Return or the end: to where the last Jump came from
//	                            └─ Return or the end, and no Jump to go back to: Pass
//
// Invariants:
//
//  1. The walk is the kernel's: rules in order, all matches of a rule must
//     hold, the first verdict that is not Log, Stamp, Jump or Goto ends the walk or
//     returns.
//     The latch is walked like any other ruleset (RunLatch).
//  2. A match is a hit, a miss or unknown. A field that the caller does not
//     know never decides a verdict: the result is then Unknown and names it.
//  3. A Limit is always unknown, so it can only stand before Log.
//  4. Family is taken from the packet's addresses: a rule that names a prefix
//     or the ICMP of the other family is not there.
//
// Thread safety: a Machine is read-only once made, and safe to share.
package trace
