// Package manual does what the manual in packaging/doc says: each policy
// is put in force on a throwaway host with a real dockerd, and each command is
// run there, in the order in which they stand.
//
// It is for holding the pages to what is so. What a policy means is tested
// elsewhere, on more hosts and with packets.
//
//	page.md ─► blocks ─┬─ hcl: the file from now on; check and diff must be content
//	                   └─ sh:  line by line; "# exit 1" says what a line ends with
//
// Invariants:
//
//  1. Every block of hcl and sh is run. What is not is in the table of a reason
//     each, and a reason that no line needs any more is an error.
//  2. Each page begins on a host as it was before.
//
// Thread safety: it holds tests only.
package manual
