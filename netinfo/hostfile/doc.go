// Package hostfile reads, for an audit, what files say of a host: the settings of
// Docker and systemd, owner and mode, kernel settings, and below /proc the rights and
// limits of processes.
//
// It is for reading only and decides nothing. What sockets and netlink say is read by
// netinfo/hostnet, what the engine says by netinfo/docker.
//
// Invariants:
//
//  1. All paths are below Reader.Root, so that a folder may stand for a host. Symbolic
//     links are resolved inside it.
//  2. A file that is not a regular one, or longer than expected, is an error: a FIFO
//     blocks its reader, and a device may have no end.
//  3. What cannot be read is unread with the reason. A file that is not there is read:
//     it is Missing.
//
// Thread safety: a Reader may be used by several goroutines.
package hostfile
