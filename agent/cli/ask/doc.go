// Package ask is what the verbs of agentctl share: one run of the command (App), the
// host that it looks at (Host), and the ways to the answers that most verbs need.
//
//	Load      the operator's file, or its diagnostics
//	Facts     the host's facts: from --snapshot, otherwise from agentd, otherwise from the host
//	Wanted    file and facts, compiled
//	Daemon    the agentd that runs
//	Target    the kernel, for a command that ends after one pass
//
// The machine is reached through Host only, so that a test can put another one in its
// place. Run makes a cobra handler of a verb: its result is shown as text or JSON, and an
// error of it is trouble (exit code 2).
//
// It is not for what only one verb does: that stands in the verb's package.
//
// Thread safety: an App belongs to one goroutine.
package ask
