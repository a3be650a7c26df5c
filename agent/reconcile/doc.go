// Package reconcile keeps the kernel at what the file says: when to look
// (Loop) and what a look does (cycle).
//
// It is level-triggered. Events are only pokes; a pass reads everything that a
// poke said may have changed, compiles, compares and applies the difference.
//
//	file changed ──┐
//	Docker, NICs ──┼─► poke ─► pass: load ─ snapshot ─ compile ─ observe ─ diff ─ run
//	kernel changed ┤              ▲                                              │
//	timers ────────┘              └───────────────── retry with back-off ────────┘
//
// Promises, each with a test:
//
//  1. A poke is followed by a pass that began after it.
//  2. A steady stream of pokes never postpones a pass for longer than the
//     minimum interval.
//  3. Nothing is written before the facts have been read once, and nothing is
//     opened because a source of facts is away.
//  4. A file with an error changes nothing.
//  5. What others change in the kernel is put back; if they insist, ever more
//     slowly.
//  6. The latch is shut only while the rules that stamp packets are in force, or
//     were when somebody took them away.
//
// Thread safety: Run owns the loop; the other methods may be called from any
// goroutine.
package reconcile
