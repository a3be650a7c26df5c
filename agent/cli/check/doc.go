// Package check has the verbs that show what the file comes to on this host and change
// nothing: check, rules and snapshot.
//
// Thread safety: a verb runs in one goroutine.
package check
