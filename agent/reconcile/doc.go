// Package reconcile decides when the kernel is brought to what the file says, and
// publishes what came of it. How that is done is agent/enforce's.
//
// It is level-triggered. Events are only pokes; a pass reads everything that a
// poke said may have changed, and has its Target enforce it.
//
//	file changed ──┐
//	Docker, NICs ──┼─► poke ─► pass: load ─ snapshot ─ enforce.Target ─► status
//	kernel changed ┤              ▲                          │
//	timers ────────┘              └── retry with back-off ───┘
//
// Promises, each with a test:
//
//  1. A poke is followed by a pass that began after it.
//  2. A steady stream of pokes never postpones a pass for longer than the
//     minimum interval.
//  3. Nothing is written before the facts have been read once, and nothing is
//     opened because a source of facts is away.
//  4. A file with an error changes nothing.
//  5. Changes that other programs make in the kernel are put back; if they insist,
//     ever more slowly.
//  6. Enforced is one value: its document, facts and ruleset belong to the same
//     pass, the last one that succeeded.
//
// Thread safety: Run owns the loop and its Target; the other methods may be called
// from any goroutine.
package reconcile
