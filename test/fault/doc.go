// Package fault breaks things under a running agent and asks with packets what
// got through, and takes the time until all is whole again.
//
// It is for what goes wrong around the agent: kills, tools that fail, other
// programs that write, an engine that misbehaves, full disks and buffers. What
// a policy means when nothing goes wrong is tested in test/e2e.
//
//	a ground (host, container, policy) ─ floods begin ─ break it, wait until whole, n times ─ floods end: 0 through
//
// Faults are data: a name, how often, what to do. `go test` does a share of
// each; `make faults` does all and writes test/RESULTS-faults.md. `make soak`
// is the long run.
//
// Invariants:
//
//  1. The floods run from before the first time to after the last repair, in
//     both families, from a client that no policy names.
//  2. Whole is: the agent says that it enforces, and its chains, rules, jumps
//     and sets are those of before, no more and no less; then the one who may
//     gets through again.
//  3. A row is written only of what was done in that run.
//
// Thread safety: one ground, one goroutine.
package fault
