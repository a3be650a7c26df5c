// Package complete gives the shells the values of agentctl's flags: containers,
// addresses, interfaces and ports of the host as it is now.
//
// Invariant: an answer takes less time than a person notices; what is not known by then
// is left out, and nothing is printed about it.
//
// Thread safety: each completion runs by itself.
package complete
