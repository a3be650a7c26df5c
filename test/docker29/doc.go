// Docker29 runs a dockerd before 29 as a double of Docker 29 with its nftables backend, for
// hosts that have no Docker 29:
//
//	docker29 dockerd ARG...
//
// dockerd runs with its own iptables off, and listens on another socket. On Docker's usual
// socket its API is answered with a version of 29, and after each event of a network or
// container the two tables docker-bridges are written as Docker 29 writes them, from what
// the engine says of its networks and containers. When dockerd starts, both tables are first
// written without any network, and then with one more network at a time, as a restart of
// Docker 29 does: in between, what these rules drop passes.
//
// What differs from a real one: trusted_host_interfaces and nat-unprotected gateways are not
// known, /info has no FirewallBackend.Info, and rules follow an event a moment later, where
// the engine itself has them before the container runs.
package main
