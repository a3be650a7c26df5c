// Package tls has the verbs below `agentctl tls`: the certificates of Docker's API
// (agent/tls), the proof that a port asks for them (agent/tls/probe), and the drop-in
// for docker.service (agent/tls/unit). Here flags are read and results are written.
//
// Invariant: a passphrase is read from a terminal, a file or stdin, never from an
// argument, and it is never printed.
//
// Thread safety: a verb runs in one goroutine.
package tls
