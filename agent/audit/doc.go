// Package audit gathers what an audit of this host is decided by, and writes its
// report: as text, SARIF or JUnit. The report itself is its JSON.
//
// It is for reading the host and for the views. What is right and wrong is decided in
// rules/audit.
//
//	engine ── netinfo/docker ───┐
//	/proc, /etc ── hostfile ────┼─► Gather ─► inventory ─► rules/audit ─► views
//	netlink ── netinfo/hostnet ─┘
//
// Invariants:
//
//  1. Gather changes nothing, starts no program and enters no namespace. It ends
//     within some seconds, whatever the engine does.
//  2. What it cannot read is unread with the reason: it has no error of its own.
//  3. A process is a container's only if its cgroup says so. The engine may be on another
//     host, and PIDs are reused.
//  4. Names from the engine and the host reach a terminal without control characters.
//
// Thread safety: functions may be called by several goroutines.
package audit
