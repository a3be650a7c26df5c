// Package cli is agentctl: one file per verb.
//
// A verb is a function from flags to a result value; the human view and the
// JSON view are two views of that one value, and it alone says the exit code.
// What a verb computes comes from the pure core (rules/...); the machine is
// reached through Env.Host only, so that tests can put another in its place.
//
//	flags ─► verb ─► result ─┬─ text (printer: colours, no colours)
//	           │             └─ JSON ("format_version": 1)
//	           └─ error ─► trouble: stderr, and JSON with --json; exit 2
//
// It is not for deciding what the policy means, nor for carrying it out: the
// verbs that write hand a plan to agent/kernel or ask the daemon to reload.
//
// Invariants:
//
//  1. Exit codes are diff(1)'s: 0 same or fine, 1 differs or not as expected,
//     2 trouble, usage errors among it.
//  2. Only apply, confirm and remove change the kernel, and what puts back a
//     trial that was not confirmed; init writes agent.hcl and nothing else, and
//     tls writes the folder of certificates.
//  3. Text from files, Docker and the kernel reaches a terminal without
//     control characters.
//
// A new verb is one file with a constructor that verbs() lists.
//
// Thread safety: Main may run once at a time for each Env.
package cli
