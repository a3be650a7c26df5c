// Command demo shows on a throwaway Docker host what dockwall does: which clients reached
// which ports before, what agent.hcl.example changes, which reach them then, and
// that tampering is repaired. Every verdict it prints comes from a packet.
//
//	stranger, mirror, an office address ── eth0 [ host: dockerd, agentd ] ── docker networks
//	office, ops, an abuser ─────────────── eth1 [                       ]
//
// It is also a test: a verdict that is not what the demo claims makes its exit
// code 1, and TestDemo plays it. It is not the place for testing corners: those
// are in test/scenario and test/e2e.
//
// Invariants:
//
//  1. Nothing but the lab is touched, and the lab is gone when the demo ends,
//     also when it is interrupted.
//  2. No line is wider than 100 columns: what other tools print is cut there.
//
// Thread safety: one demo, one goroutine; only an interruption comes from
// another, and ends it all.
package main
