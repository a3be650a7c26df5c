// Package picture says what there is to see of a host on one page: its NICs,
// its Docker networks and containers, which clients reach which ports by which policy, and
// what is closed.
//
// It is for the model behind a drawing. Where boxes stand and what colour a
// line has is rules/picture/draw's matter; the answer to one question, with
// every rule on the way, is explain's.
//
//	policy ──── sources ─┐
//	snapshot ─┬ gates ───┼─ a packet of each kind ─► trace ─► access, exits, pairs
//	          └ targets ─┘
//
// Invariants:
//
//  1. What is said to be open or closed is what rules/trace found in the
//     compiled ruleset, never what a block's text seems to say.
//  2. Open and closed are about every way that a packet may take: where one of
//     them is closed, the address is among those that it is not open for.
//  3. Pure: the same picture for the same values, in the same order.
//  4. No string is cut or escaped here: names are what Docker and the file say.
//
// Looked at are TCP, UDP and the published ports of other protocols. Containers
// that dial each other's published ports are not: they are judged as the
// networks say.
//
// Thread safety: functions of values.
package picture
