// Package cli is agentctl: the root command and the list of its verbs.
//
// A verb is a function from flags to a view.Result; the human view and the
// JSON view are two views of that one value, and it alone says the exit code.
// What a verb computes comes from the pure core (rules/...); the machine is
// reached through ask.Host only, so that tests can put another in its place.
//
//	flags ─► verb ─► view.Result ─┬─ text (view.Printer: colours, no colours)
//	           │                  └─ JSON ("format_version": 1)
//	           └─ error ─► trouble: stderr, and JSON with --json; exit 2
//
//	ask       what verbs share: the run, the host, the file, the facts, the daemon
//	view      results and how they are printed
//	apply     diff, apply, confirm, remove        undo      trials that go back
//	check     check, rules, snapshot              explain   explain, map
//	create    init                                watch     status, denied
//	tls       tls …                               audit     audit
//	complete  values of flags, for shells         system    the real host
//
// It is not for deciding what the policy means, nor for carrying it out: the
// verbs that write hand a plan to agent/enforce or ask the daemon to reload.
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
// A new verb is one file with a constructor in the package of its kind, and a line in
// verbs().
//
// Thread safety: Main may run once at a time for each ask.Env.
package cli
