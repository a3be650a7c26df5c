// Package e2e plays the scenarios of test/scenario on real hosts, and holds
// the tests that need code: floods, restarts, tampering, latency.
//
// It is for what only a kernel, a dockerd and packets can show. It takes
// minutes and needs root; whatever a smaller test can show belongs elsewhere.
//
//	host (one lab, one dockerd) ─ play(scenario) ─ clean ─ play(scenario) ─ clean ─ …
//
// Invariants:
//
//  1. A scenario begins on a host with no containers, no networks but Docker's
//     own, no agent and no rule of one. What it leaves otherwise fails it.
//  2. A scenario that needs a special host, or spoils its host, has its own.
//  3. A denial is tried once and must hold then; nothing is retried to make a
//     denial true, unless the scenario says "eventually".
//
// Thread safety: one test, one host, one goroutine.
package e2e
