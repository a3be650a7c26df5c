// Package inventory holds the facts that an audit of a Docker host is decided by:
// the engine and its configuration, containers, images, files with owner and mode,
// kernel settings, and the kernel's own record of each container's process.
//
// It is for plain values only. netinfo/docker reads the engine's part,
// netinfo/hostfile the files' and the processes', netinfo/hostnet what the kernel
// tells by netlink; rules/audit decides. The firewall does not use it: the facts that
// packets depend on are in netinfo.Snapshot.
//
// Invariants:
//
//  1. A fact that was not read is a Fact with a reason. The zero Fact was not read, so
//     that a reader that forgets a fact makes the audit say "unknown", never "pass".
//  2. The value of an environment variable, or a value in the history of an image that
//     may be a secret, is in no field: Variable keeps the name, and why the value may
//     be a secret.
//  3. Only the standard library is imported.
//
// Thread safety: values; none is changed after it was gathered.
package inventory
