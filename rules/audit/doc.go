// Package audit judges a Docker host against a baseline: kernel, host, network,
// images, containers and the engine's own settings.
//
// It is for the checks, the report of their results, and nothing else: facts come from
// netinfo/inventory, and agent/audit reads them and prints the report. It changes
// nothing on the host.
//
//	inventory ─┐
//	           ├─ Judge: each check of Checks ─► Report ─► text, JSON, SARIF, JUnit
//	settings ──┘
//
// A check is data and one pure function from facts to a verdict. A new one is an entry
// of the list in its group's file, and a fixture of its name in testdata/checks.
//
// Invariants:
//
//  1. A check whose facts were not read is Unknown, with the reason. It is never Pass.
//  2. What the kernel says of a running process decides before what the API promises.
//     Where a promise is broken, the verdict names both.
//  3. IDs are dockwall's own and never change their meaning. Numbers of the CIS Docker
//     Benchmark are attributes, because they move from version to version; the texts
//     are dockwall's own. This is no CIS benchmark.
//  4. No verdict holds a secret's value.
//
// Thread safety: functions of values.
package audit
