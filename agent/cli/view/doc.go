// Package view prints what a verb of agentctl found out.
//
// A verb returns a Result: one value that knows its text, its JSON (that of the
// struct itself, behind a Header) and its exit code. Printer writes the text, with
// colours only if it was made with them. Text from files, Docker and the kernel has to
// go through Printable, so that it reaches a terminal without control characters.
//
// It reads nothing, and it does not know what a verb is about.
//
// Thread safety: a Printer belongs to one goroutine.
package view
