// Package daemon is agentd's wiring: it makes the sources of facts, the watchers,
// the loop and the control socket, runs them together and ends them.
//
// It is not the place for what any of these parts does: each has a package of
// its own. It parses no command line and handles no signal except SIGHUP; that is
// cmd/agentd.
//
//	config.Watch ────────┐
//	trial.Keeper ────────┤
//	facts.Collector.Run ─┼─► reconcile.Loop ─► kernel.Kernel
//	kernel.Follow ───────┤        │
//	SIGHUP, POST reload ─┘        └─► control socket, systemd, saver (last facts, last good policy)
//
// Invariants:
//
//  1. When Run returns, all parts have ended.
//  2. The rules in the kernel outlive the agent, except if on_stop = "remove" and
//     ctx was cancelled.
//  3. A file with errors at the start does not leave the host without a policy:
//     the last good one is enforced, kept from before the restart or the reboot.
//
// Run may be called once in a process, since it sets the garbage collector's
// target and owns the control socket. Everything else in this package belongs to
// the goroutines that Run starts.
package daemon
