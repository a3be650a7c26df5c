// Package durable replaces files so that a crash or a power cut leaves the old
// file or the new one, whole. All files that dockwall replaces are replaced here:
// the last good policy, the last facts, trials, the list of switched bridges,
// and what agentctl writes for the operator.
//
// It is not for reading files, not for locks between writers, and not for pipes
// or devices.
//
// A replacement has these steps:
//
//	create a temporary file in the same folder
//	set its mode and owner, write it, fsync it
//	rename it to the file's name (or link it, if nothing may be replaced)
//	fsync the folder
//
// Invariants:
//
//  1. At every step, and after a power cut at any step, the name leads to the
//     whole old contents or to the whole new contents.
//  2. When Replace returns nil, the new contents outlive a power cut.
//  3. When Replace fails before the rename, the old file is untouched and the
//     temporary file is removed.
//  4. The mode of a file that is replaced stays, and so does its owner if root
//     replaces it.
//
// A program that is killed between the first step and the rename leaves a hidden
// temporary file beside the file (".name-123"); nothing reads it.
//
// Functions may be called from several goroutines. Of two that replace the same
// file, the last one to rename wins. A Draft belongs to one goroutine.
package durable
