// Package tlstest serves Docker's API for tests of probes: plain, over TLS, and with
// a client's certificate asked for as dockerd with --tlsverify does.
//
// It is for what a probe sees from outside. It is not a Docker engine, which
// netinfo/docker/dockertest is.
//
// Invariants:
//
//  1. A server ends with its test.
//
// Thread safety: each function is for the test's own goroutine.
package tlstest
