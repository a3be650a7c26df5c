// Package published says which container answers at a host address and port.
//
// It is the one answer for the policy's meaning, explain, the picture of a host,
// the log of refused packets and the cutter. It is not for what a policy allows
// (rules/policy), nor for rules: rules/compile turns the same facts into sets by
// itself, so that the two can be tested against each other.
//
// Invariants:
//
//  1. A port is published at the addresses where Docker binds it: the port's own
//     address, otherwise the address that the container's networks set for such
//     ports, otherwise every address. 0.0.0.0 and :: stand for one family each.
//  2. The closest claim wins: an exact port before a range of candidates, one
//     address before every address of a family before every address.
//  3. A container that has an address answers now. Another one may answer later,
//     unless a service of the host has the port.
//  4. A container that uses another container's network publishes nothing itself.
//
// Thread safety: an Index is read-only once built; At is a function of values.
package published
