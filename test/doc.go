// Package test is the root of the tests that cross packages, and holds the ones
// about the repository itself: which package may import which, what no file may contain,
// and that README says what is so.
//
// It is not for tests of one package: those are beside it.
//
// Invariants:
//
//  1. It needs no root, no network and no Docker.
//  2. A guard says in its failure why it is there.
//
// Thread safety: it holds tests only.
package test
