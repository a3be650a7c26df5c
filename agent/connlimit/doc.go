// Package connlimit bounds how many connections a server of the agent holds, so that
// clients cannot take the descriptors that the agent needs for its own work.
//
// It is for listeners of net/http servers. It does not bound what a request costs:
// that is the server's, by timeouts and the number of requests at once.
//
//	client ─► Listener.Accept: room? ─► http.Server ─► Listener.State (idle or active)
//	                         └► no room: close an idle connection, or the new one
//
// Invariants:
//
//  1. At most Limits.All connections are open, and of one peer at most Limits.Peer.
//  2. Accept waits for a connection to end for as long as Limits.Patience at most.
//  3. A connection without a request in progress makes room before one with a request
//     does, and the peer with the most connections makes room before others do.
//
// Thread safety: a Listener may be used by any goroutine.
package connlimit
