// Package ruletest is for the tests of everything that handles rulesets:
// generators of valid ones, and a kernel that is only pretended.
//
// The Kernel keeps tables, chains, rules as text, and sets, and runs the steps
// of a plan on them as iptables-restore and ipset do: a table changes whole or
// not at all, sets change line by line up to the first error, what is in use
// cannot be destroyed. It does not judge packets (rules/trace does), and it
// knows only what plans use. That it agrees with a real kernel on the same
// steps is tested in test/kernel.
//
// Thread safety: none; a Kernel belongs to one test.
package ruletest
