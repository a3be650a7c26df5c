// Package undo brings the kernel back if a trial was not confirmed and agentd does not
// run: the record of the trial (agent/trial) is written before anything changes, and a
// process of its own waits for the confirmation (the hidden verb Await).
//
// Invariants:
//
//  1. Before a plan runs, its way back is on disk and the process that takes it runs.
//  2. Only the holder of the record's lock changes the kernel or the record.
//
// Thread safety: each function runs in one goroutine; processes are kept apart by the lock.
package undo
