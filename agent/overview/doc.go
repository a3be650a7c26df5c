// Package overview sums up for a person what is in force on this host: what the
// policy holds for each kind of traffic, what it does not cover, how much each
// block let pass and refused, and the containers.
//
// It is for reading, by people and by their tools. It decides nothing: what a
// packet meets is asked of rules/trace, and whether the kernel is as wanted is
// in reconcile.Status.
//
//	policy, snapshot, counts ─► Of ─► Overview ─► control socket ─► agentctl status
//
// Invariants:
//
//  1. What is not enforced is not among what is enforced: it is named in
//     NotCovered.
//  2. Every block of the policy that allows or forbids is in Policies, also one
//     that no packet has met.
//  3. The same values in give the same overview, order included.
//
// Thread safety: values in, values out.
package overview
