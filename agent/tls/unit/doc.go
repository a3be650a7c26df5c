// Package unit writes the systemd drop-in that makes dockerd serve its API over TCP,
// to clients with a certificate only.
//
//	docker.service ─┐
//	its drop-ins ───┼─► ExecStart as it is now ─► with -H tcp://… --tlsverify … ─► drop-in
//	environment ────┤
//	daemon.json ────┼─► what contradicts it ─► Refused, with what to do
//	docker.socket ──┘
//
// It is for deciding. It reads no file and runs no program: agent/cli does, and
// agent/tls/systemctl.
//
// Invariants:
//
//  1. The present command is kept word for word; options are added at its end.
//  2. -H and the options of TLS stand in one line. If they stood in two places, losing
//     one of them would serve the API to every client.
//  3. A drop-in that would not take effect, or with which dockerd would not start, is
//     refused, and so is a TCP socket that another setting opens.
//  4. A drop-in without Marker in its first line was not written here, and is not
//     touched.
//
// Thread safety: values.
package unit
