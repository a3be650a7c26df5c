// Package policytest draws policies, snapshots and questions for property
// tests of what a policy means.
//
// It is for tests only. The universe is small, so that hits are frequent: four
// outside NICs, five Docker networks, a dozen containers, a handful of ports
// and addresses of both families.
//
// Invariants:
//
//  1. Snapshots are ones that a host can be in: no two running containers have
//     the same address, nor the same host port on overlapping addresses.
//  2. Policies keep policy's own invariants: blocks are sorted by name,
//     prefixes masked, sorted and without duplicates.
//  3. Every block, attribute, family and way in can be drawn; a test counts them.
//
// Thread safety: functions only.
package policytest
