// Package trial keeps changes that go back by themselves unless an operator
// confirms them in time.
//
// There are two kinds. With agentd, Keeper decides which policy is in force:
// the one on trial, the one of before, or simply the file's. Without, Undo is
// what agentctl leaves for the process that puts the kernel back.
//
//	agent.hcl ─┐                 confirm ─► the file on trial is the policy
//	candidate ─┴► Begin ─► pending ─┤
//	                             deadline ─► the policy of before; agent.hcl is refused
//	                                         until its text changes
//
// It is for deciding what is to be in force. Putting it there is the loop's
// and agent/kernel's, and nothing here writes to the kernel.
//
// Invariants:
//
//  1. A trial is on disk before anything of it is in force, so that no kill and
//     no power cut makes it permanent.
//  2. A clock that is set, back or forth, never extends a trial. Over a reboot,
//     where there is no other clock, it ends no later than its length after the
//     time of day at which the host came back; a clock that shows a time before
//     its beginning ends it.
//  3. What was not confirmed does not come into force by a restart, a reboot or
//     a reload: only by a change of the file, or by an operator who asks for it.
//  4. There is one trial at a time.
//
// Thread safety: a Keeper may be used from several goroutines. A goroutine that changes
// an Undo holds its lock (LockUndo).
package trial
