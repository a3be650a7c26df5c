// Package rules is the model of a ruleset: chains of rules made of matches and
// a verdict, and the sets they look addresses up in.
//
// It is a closed sum of data. Rendering, parsing, tracing, validating and
// comparing are functions over it in packages of their own; a guard test fails
// where one of them lacks a Match. Nothing here knows Docker, the file format
// or a backend's syntax.
//
//	           ┌ filter  FORWARD ─► DOCKER-USER ─► DOCKWALL-FORWARD ─┐
//	packet ────┤ filter  INPUT ──────────────────► DOCKWALL-INPUT  ──┼─► Return: Docker's and the host's
//	           ├ filter  OUTPUT ─────────────────► DOCKWALL-OUTPUT ──┤
//	           ├ security FORWARD, INPUT ────────► the guard: the same denials again     own rules go on
//	           └ the latch (Latch.Ruleset) ──────► a packet that no rule stamped on the way is dropped
//
// Invariants, checked by Ruleset.Validate:
//
//  1. No verdict accepts: what passes returns to the calling chain.
//  2. Every chain that is jumped to exists, no chain reaches itself, and every
//     chain is reached from a hook.
//  3. Every set that is looked up exists and has the dimensions asked for.
//  4. Family belongs to rendering: a rule is written for both families unless
//     a match in it names an address of one.
//
// The latch is a ruleset of its own: it shares matches, verdicts, Validate and the walk
// with the policy's, and no chain. Its further matches (LatchMatches) stand nowhere else.
//
// Identity: a rule's ID and a set's name are made from content only. Origin
// (file, line) is carried along and never hashed.
//
// Thread safety: values; safe to share once built.
package rules
