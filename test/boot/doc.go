// Package boot installs the deb package into a Debian system and boots that
// system, Docker and all, under systemd-nspawn.
//
//	wan 192.0.2.10, .11 ── eth0 [ host 192.0.2.1: a booted Debian, dockerd, dockwall ] ── docker0 ── containers
//
// It is for what only a real systemd shows: what installing, enabling,
// restarting, rebooting, upgrading and removing do, in which order units start,
// and whether the daemon works in its sandbox. What a policy means is tested
// elsewhere, faster.
//
// The system is made by debootstrap once and kept in .cache/boot; a test sees
// it through an overlay of its own.
//
// Invariants:
//
//  1. The machine's own rules, links, units and packages are never touched. A
//     boot has its own namespaces of every kind and its own cgroup; names
//     outside begin with "dwt-boot-".
//  2. Everything ends with the test process, also with one that is killed: the
//     kernel kills systemd-nspawn then, and with it the booted system.
//  3. A cold boot begins with new network namespaces: nothing of the boot before
//     is left in the kernel.
//  4. Without root, debootstrap or systemd-nspawn, tests skip, and fail in CI.
//
// Thread safety: a Machine belongs to its test's goroutine.
package boot
