// Package saved finds rules of dockwall's in the files from which a host loads its own
// rules at boot. They name sets that do not exist yet when such a file is loaded, and sets
// are named by their content, so that an old file names sets that will never exist again:
// iptables-restore and nft refuse the whole file, the host's own rules included.
//
// It is not for changing those files: they are the operator's.
//
// Sets are those sets, for the unit that makes them, empty, before such a file is loaded:
// the host's own rules then are in force at boot, and dockwall's boot unit replaces the old
// rules of its own a moment later.
//
// Invariants:
//
//  1. Reading changes nothing, and a file that is not there or cannot be read is no finding.
//  2. A file is read again for its findings only after it changed.
//  3. Only names that dockwall gives to sets are returned, whatever a file holds.
//
// Thread safety: a Files is for one goroutine.
package saved
