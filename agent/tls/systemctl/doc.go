// Package systemctl reads what docker.service and docker.socket are, and puts the
// drop-in of agent/tls/unit in force or takes it away.
//
// It is for running systemctl and dockerd --validate, and for the files that these are
// about. What the drop-in says, and when it is refused, is agent/tls/unit's.
//
// Invariants:
//
//  1. A drop-in that dockerd does not accept is not written, as far as this dockerd can
//     be asked (23.0 and later).
//  2. After an error the units are as before, and systemd has read them.
//  3. Removing takes away the drop-in and a folder that was made for it, and nothing
//     that others wrote.
//
// Thread safety: one command at a time.
package systemctl
