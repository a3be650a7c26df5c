// Package packets holds the walk of a packet (rules/trace) and the meaning of a
// policy (policy.Eval) against a kernel: random policies are compiled and put
// in force, and real first packets are sent for them.
//
// It is for what the kernel makes of the rules. Docker is not in it (its nat
// rules, docker-proxy and the engine are stood in for by hand-written ones):
// that is test/e2e's and test/docker's.
//
//	wan 192.0.2.77, 203.0.113.7 … ── eth0 [ host ] docker0          ── web-0
//	lan 10.0.0.77              ──── eth1 [      ] br-bbbbbbbbbbbb  ── web-1, db-2, a stranger
//	                                             br-cccccccccccc  ── db-2, cache-3
//	                                             pub0 (routed)    ── web-4
//
// The names and addresses are those of policytest, so that what it draws hits.
//
// Invariants:
//
//  1. The machine's own rules and links are never touched: the namespaces have
//     no names and end with the test, also with one that is killed.
//  2. With the same seed the same policies are drawn and the same packets sent.
//     A failure prints the seed.
//  3. A packet counts as passed only when the place that was meant answered, by
//     its name: that the right one is judged is part of what is tested.
//
// Thread safety: attempts of one policy run at the same time; towns share
// nothing.
package packets
