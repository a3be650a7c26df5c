// Package denied reports refused packets: it listens to the packets that the
// rules report, gives them names, and passes them on to its readers.
//
// It is for people and for counting. It is not complete: the rules report so
// many packets a second and leave the rest out, and what the kernel cannot
// hand over in time is lost. No decision about packets may depend on it, except for
// one thing: a packet that was held is the first sign of its sender, and the facts
// are told of that. The audit is told of containers that scan; it only says so.
//
//	rules ─► NFLOG 4777 ─┐                      ┌─► ring of the last 1000
//	rules ─► NFLOG 4778 ─┴─► Feed: names, place ─┼─► readers (agentctl denied)
//	           (held)  └─► facts                 └─► count, top sources, once a day
//
// Invariants:
//
//  1. No reader can hold up the feed: a reader that is too slow loses
//     lines, and is told how many.
//  2. Memory is bounded whatever the packets are: the ring, each reader's
//     queue and the sources that are counted all have a size.
//  3. A group that another program has is an error in the log, once, and the
//     agent goes on; the group is taken when it is free.
//
// Thread safety: a Feed's methods may be called from any goroutine.
package denied
