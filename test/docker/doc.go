// Package docker tests the lab against real Docker engines, without dockwall:
// that the lab sees each path by which packets reach a container. A lab that
// cannot show a leak cannot show that it is closed.
//
// It holds tests only. What dockwall makes of these paths is tested in e2e.
//
// Invariants:
//
//  1. Every engine in .cache/engines is tested; the default one always is.
//  2. An expectation is one of a real measurement: it is never derived from
//     what the rules look like.
//
// Thread safety: does not apply; tests share nothing.
package docker
