// Package create has the verb init, which writes an agent.hcl that allows what is
// published today. The text is made by agent/starter; here it is proven to load and to
// compile, and put in its place whole or not at all.
//
// Thread safety: a verb runs in one goroutine.
package create
