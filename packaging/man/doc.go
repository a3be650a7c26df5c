// Command man writes the manual pages of the packages: agentctl.8 from what the
// built agentctl says of itself, and agentd.8 and agent.hcl.5 from the pages
// beside this file, with the date filled in.
//
// It is for the build only, and knows agentctl by its --help alone: what a page
// says is what the shipped program answers.
//
// Invariants:
//
//  1. The same program and date give the same bytes.
//  2. Every verb that the tool's help names is in the page, with its flags.
//
// Thread safety: a program of one goroutine.
package main
