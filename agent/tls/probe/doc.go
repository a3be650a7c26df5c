// Package probe proves from outside whether a TCP port of Docker's API accepts
// only clients with a certificate.
//
//	plain       GET /_ping over TCP              ─┐
//	anonymous   GET /_ping over TLS, no certificate├─► any HTTP answer: open
//	foreign     … with one of an unknown CA      ─┘   an alert about the certificate: refused
//	certificate of the server: end, names, chain, key
//
// Under TLS 1.3 the client's handshake succeeds before the server has looked at
// the client's certificate, so a probe sends a request and reads.
//
// It is not for deciding when to probe, nor what happens to a port that is open.
// It asks the server, and believes neither configuration files nor arguments.
//
// Invariants:
//
//  1. Protected is said only if the server itself asked for a certificate and
//     turned both TLS probes away because of it. A server that is silent, closes
//     the connection without a reason or answers something else is not proven.
//  2. A probe ends within Target.Patience and reads at most 64 KiB a connection,
//     whatever the server sends.
//  3. Three connections, one for each probe: each of them leaves a line in
//     dockerd's log.
//  4. The foreign certificate is made for each probe, and names as its issuer an
//     authority that the server accepts: a server that compares names only is open.
//
// Thread safety: Run may be called by several goroutines.
package probe
