// Package nstest puts a test into network namespaces of its own: it makes them,
// enters them, and runs programs and opens sockets there.
//
// It is for tests of packages that talk to the kernel and need no engine. Hosts with
// an engine are test/lab's.
//
// Invariants:
//
//  1. A namespace ends with its test.
//  2. A thread that cannot leave a namespace is never used by another test.
//
// Thread safety: each function is for the test's own goroutine.
package nstest
