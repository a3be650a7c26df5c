// Package watch has the verbs that ask a running agentd: status and denied.
//
// Thread safety: a verb runs in one goroutine.
package watch
