// Command agentd keeps the host's firewall at what agent.hcl says.
//
// This package is the wiring only: it starts the sources of facts, the watchers,
// the loop and the control socket, and ends them. What any of them does is in
// their own packages.
//
//	config.Watch ────────┐
//	trial.Keeper ────────┤
//	facts.Collector.Run ─┼─► reconcile.Loop ─► dataplane.Kernel
//	hostnet.Generations ─┤        │
//	SIGHUP, POST reload ─┘        └─► control socket, systemd, saver (last facts, last good policy)
//
// Invariants:
//
//  1. Whoever ends the agent ends all its parts; nothing is left running.
//  2. The rules in the kernel outlive the agent, unless on_stop = "remove" and
//     the end was asked for.
//  3. A bad file at the start is no reason to run without a policy: the last
//     good one is taken, from before the restart or the reboot.
//
// Exit codes: 0 the end was asked for, 1 it could not start or go on, 2 the
// command line makes no sense.
package main
