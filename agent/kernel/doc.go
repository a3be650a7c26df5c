// Package kernel touches the kernel: it reads what is there and runs the
// steps of a plan; and it has the latch, an nftables table that is its process's
// own, the barrier and the table of the bridges, which outlive it. It decides nothing.
//
// Invariants:
//
//  1. Reading changes nothing: a table that does not exist is not made by
//     looking at it (iptables-legacy-save -t would).
//  2. A plan whose step fails is rolled back before Run returns.
//  3. What the latch closes is open again when the process stops. If it is killed, it
//     stays closed from Linux 6.9 on.
//  4. What the barrier closes stays closed when the process ends.
//  5. The table of the bridges (bridge dockwall) outlives the process. A packet
//     meets the old table or the new one.
//  6. Every command has a deadline, and is started without a shell.
//  7. A table with native rules of nftables, which iptables' tools do not print, is read
//     through netlink, and dockwall's jumps in it are placed so. No rule of another program
//     is written or deleted: rules are deleted by handle, after they were read.
//
// Thread safety: a Kernel, a Frames, a Latch and a Barrier may be used by one goroutine at a time; Own and Watched by
// any.
package kernel
