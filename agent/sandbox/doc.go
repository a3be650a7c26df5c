// Package sandbox says which files dockwall.service will not be able to read, although
// root can.
//
// The unit hides /home and /root, has a /tmp of its own, and takes away root's right to
// override the permissions of files. agentctl check, which root runs outside of the
// unit, would call a file fine that the service cannot open.
//
//	unit file and drop-ins ─► Unit ─┐
//	                                ├─ Refusals ─► check
//	the way to the file, a trial ───┘
//
// It is not for changing the unit, and not for what a file holds.
//
// Invariants:
//
//  1. What the unit says is read from its files, drop-ins included, and not assumed: a
//     host whose administrator set ProtectHome=no gets no warning.
//  2. Whether permissions suffice is asked of the kernel, by opening the file without
//     root's capabilities, because access lists and mounts count too.
//
// Thread safety: all functions may be called from any goroutine.
package sandbox
