// Package facts assembles the snapshot of the host from what the kernel and
// the engine tell, keeps it fresh, and carries it over a restart of the agent.
//
// It is not for deciding: what follows from a snapshot is rules/compile's.
//
// Invariants:
//
//  1. While the engine is away its last answers stand, except for networks on
//     whose bridge a new port appeared: a new container may have an old address.
//
//  2. A bridge that came while the engine was away is marked unplaced.
//
//  3. A listener counts as a host service's, whose port is left alone, only if
//     its process is known to be none of the engine's, or if it was seen twice,
//     settleTime apart.
//
//  4. The processes of the host are walked when its listeners changed, and within a
//     second after each event. An event that changes no listener costs no more.
//
//  5. What other programs put into a container is found by the names of its interfaces,
//     and by veths of the host that lead to the same namespace as one of the engine's.
//
//  6. A bridge port belongs to the container whose Ethernet address its other end
//     had at first. While the table of the bridges is in force, an address that the
//     engine did not give belongs to the port that frames from it came in by;
//     neither ARP nor the frames' own addresses count.
//
//  7. Routes lists prefixes that the host's routing tables send to a Docker bridge.
//     A default route, or a large part of one, never counts: a container that is
//     the host's way to the Internet does not claim the Internet's addresses.
//     On a host without such routes nothing is read when its other routes change.
//
// Thread safety: a Collector's methods may be called from any goroutine.
package facts
