// Package early has the verb of the unit that runs before the host's own rules are loaded.
// It is not for putting a policy in force: the boot unit runs apply.
//
// Thread safety: a verb runs in one goroutine.
package early
