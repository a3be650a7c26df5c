// Package dockertest is a Docker engine for tests and benchmarks: it speaks the
// few endpoints of the engine's API that package docker reads, over a unix
// socket, and has networks, containers, addresses and events, but no processes.
//
// It is for showing what real engines do that is hard to bring about: the order
// of events of each generation, addresses that are reused at once, inspects
// that block while a container starts, lost events, a stream that is cut,
// answers that are garbage, a daemon that hangs or restarts. It is not a
// reference for the API: what it leaves out is not thereby left out by Docker.
//
// Invariants:
//
//  1. Addresses are given out lowest free first and are free again at once, as
//     Docker's are.
//  2. Truth is what the facts must be once everything has been read.
//  3. No client library is shared with the code under test.
//
// Thread safety: Engine's methods may be called from any goroutine.
package dockertest
