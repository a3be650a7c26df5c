// Package metrics serves the agent's figures to Prometheus.
//
// It is for numbers that others watch. It decides nothing, and nothing in the
// agent waits for it; what costs a process (counters of rules and sets) is read
// only when a scrape asks for it, and at most once a second.
//
//	reconcile.Loop ─ Passed ─┐
//	denied.Feed ──── Denied ─┼─► Metrics ─► registry ─► GET /metrics
//	kernel ◄──────── Read ───┘   (at a scrape)
//
// Invariants:
//
//  1. Every name begins with dockwall_ and stays.
//  2. Every label has few values: policies of the file, states, causes, families.
//     Nothing that comes off the wire, and no container, is a label.
//  3. A port that is taken is an error in the log, and the agent goes on; the
//     port is tried again.
//
// Thread safety: a Metrics' methods may be called from any goroutine.
package metrics
