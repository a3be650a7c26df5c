// Package hostnet learns facts about this host from its kernel: links and
// their addresses, listening sockets, docker-proxy and dockerd processes, the
// nftables generation, tracked connections.
//
// It reads. It changes nothing in the kernel (agent/kernel and agent/conntrack do),
// decides nothing, and knows no policy.
//
//	rtnetlink ──► Links, Watch, RoutesBy, AllRoutes, WatchRoutes
//	sock_diag ──► Listeners, TCPConnections
//	/proc     ──► Scanner (Proxies, Dockerd)
//	nfnetlink ──► CurrentGeneration, Generations, Packets, ConnFlows, NFTChains,
//	              ReadNFTTable
//	audit     ──► AuditRules
//
// Invariants:
//
//  1. Everything is about the network namespace of the calling thread. Sockets
//     are opened by the calling goroutine, and per-namespace files are read
//     below /proc/thread-self.
//  2. A list is complete or an error: a dump that the kernel calls interrupted
//     is asked for again.
//  3. Watch and Generations call notify once after every (re)opening of their
//     subscription, so a caller that lists after that call misses nothing.
//  4. Nothing here starts a process or loads a kernel module that the host
//     does not use already, except for Packets, which loads nfnetlink_log, as the
//     rules do whose packets it is told of.
//  5. Lists are sorted, so that equal facts are equal values.
//  6. A process counts as dockerd or docker-proxy by what it cannot choose: the
//     engine's socket, its parent, its namespaces, cgroups, capabilities. Files
//     whose path a process names are read within limits of size and time, if
//     they are regular.
//
// Thread safety: functions may be called from any goroutine. A Scanner is for
// one goroutine at a time.
package hostnet
