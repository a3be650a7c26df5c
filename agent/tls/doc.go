// Package tls makes the certificates by which dockerd and the users of its API
// prove their identity to each other, and keeps them in one folder.
//
//	ca.pem (root) ─┬─► server-cert.pem             dockerd shows it: --tlscert
//	               ├─► clients/alice/client-ca.pem ─► clients/alice/cert.pem
//	               └─► clients/bob/client-ca.pem   ─► clients/bob/cert.pem
//	                              │
//	clients.pem ◄─────────────────┘                dockerd trusts these: --tlscacert
//
// dockerd reads no revocation list. Each client therefore has a small authority
// of its own; clients.pem is the bundle of those that are in force. Leaving one
// out of the bundle refuses that client alone, once dockerd has read the bundle
// again, which it does when it starts. The root is never in the bundle: with it
// every client would be accepted, revoked ones too.
//
// It is not for talking to dockerd (agent/tls/probe) or systemd
// (agent/tls/unit), nor for deciding which names a certificate has.
//
// Invariants:
//
//  1. Folders have mode 0700 and private keys 0400. Keys of authorities are
//     encrypted unless the operator wants no passphrase.
//  2. A file is replaced whole or not at all, and is on the disk before the
//     function returns. After an error, what was in force is still there.
//  3. Nothing is replaced unless the caller says so, and then the former
//     authority and the certificates of revoked clients are kept beside.
//  4. clients.pem is made of the clients' folders. A command that was killed
//     between the two is completed by the next one that changes something.
//  5. A server's certificate is no client's, and the other way round: their
//     extended key usages differ, and so do their trust anchors.
//  6. No error and no value that is printed contains a key or a passphrase.
//
// Thread safety: functions that change a folder lock it (flock on ".lock"), so
// that several processes may run at once.
package tls
