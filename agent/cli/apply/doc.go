// Package apply has the verbs that compare the kernel with the file and change it:
// diff, apply, confirm and remove.
//
// What enforcing means is agent/enforce's business. If agentd runs, apply asks it to
// read its file again and waits, because only one program may write to the kernel.
// A change that would cut the SSH connection that the verb is typed in is refused.
//
// Thread safety: a verb runs in one goroutine.
package apply
