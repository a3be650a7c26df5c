// Package enforce brings the kernel to a policy: the one way in which dockwall's
// rules get into force, whichever program asks for it. agentd's loop (agent/reconcile)
// decides when, agentctl shows what came of it.
//
//	policy ─┐                                                    ┌─ lacks NFLOG, CLASSIFY: without these, again
//	        ├─ compile ─► observe ─► diff ─► tighten latch ─► run ─► verify ─► latch ─► frames
//	facts ──┘               ▲                                    │       │
//	                        └────── the kernel is not known ◄────┴───────┴─► cut
//
// It is not for waiting, retrying or reporting: a pass ends with a Result or an
// error. It does not know how the kernel is written to: agent/kernel, or the
// fake kernel of rules/ruletest, is behind the interfaces in kernel.go.
//
// What is believed of the kernel is one value, Belief. Its phases between two
// passes:
//
//	Unknown    not read yet, or read too long ago     ─► the next pass reads
//	Read       read, and compared with a policy       ─► a pass may start from it (agentctl)
//	InForce    the kernel holds the ruleset in force  ─► only differences are written
//	Contested  another program writes as well         ─► the next pass reads
//	Failed     a tool, a fact or the kernel failed    ─► the next pass reads
//
// Invariants, each with a test; Belief.Check states those that concern the belief:
//
//  1. In phase InForce the kernel holds the ruleset in force, until another program
//     writes. That ruleset has no rule of a kind that the host lacks.
//  2. A host lacks a kind of rules only if a pass succeeded without them. The
//     ruleset without them is the wanted one then, for diff, apply, rules and
//     /v1/rules alike; the next document, and each apply, tries them again.
//  3. The latch is shut only while rules that stamp packets are in force, or were
//     when another program removed them.
//  4. An error leaves the kernel as it was, or as far as another program has
//     changed it.
//  5. Connections are cut after the rules changed that no longer allow them, even if
//     another program disturbs the pass.
//
// Thread safety: a Target is for one goroutine.
package enforce
