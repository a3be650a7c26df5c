// Package lastgood keeps a policy on disk: the last good one, which stands in
// for an agent.hcl that has errors, and the one to which a trial goes back.
//
// It is for keeping what was already found good. Whether a file is good is
// agent/config's to say, and when to keep it agentd's.
//
// Invariants:
//
//  1. What is read is what was written: references between blocks lead to the
//     blocks of the same policy.
//  2. What another version kept is not taken for what it does not say: another
//     format and unknown fields are errors.
//
// Thread safety: values.
package lastgood
