// Package explain answers whether a client may reach a service, by which block, and
// which rules the packet meets.
//
// It is for one question about one host; the answer is one of the policy, the facts
// and the ruleset that they come to. It is not for what the kernel holds now, nor
// for the page of everything (rules/picture). How an answer looks is the tool's.
//
//	query ─ names looked up ─► inquiry ─ every interface, address and way left open ─► questions
//	                                             │
//	                     policy.Eval ◄───────────┼──────────► trace.Packets ─► trace ─► ways ─► answer
//
// Invariants:
//
//  1. A verdict is what the rules do with the packet. Where policy.Eval says something
//     else, the answer has a bug in it and says so.
//  2. What the query leaves open is asked in every way. The verdict is the strictest:
//     deny before unknown before allow, and Agreed says whether all ways agree.
//  3. An error is about the query: a name that does not exist, a port that is none.
//
// Thread safety: functions of values.
package explain
