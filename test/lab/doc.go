// Package lab makes a throwaway Docker host out of network namespaces, with a
// real dockerd in it, and clients around it.
//
//	wan  192.0.2.10 ──┐                  ┌── docker0, br-…
//	                  ├── eth0 [ host ] ─┤
//	wan2 192.0.2.20 ──┘        │         └── containers
//	                          eth1
//	lan  198.51.100.10 ─────────┘
//
// Every namespace has IPv4, IPv6 and link-local addresses (…::1 is the host,
// ::10 wan and lan, ::20 wan2). Clients route everything through the host, so
// they can also try container addresses directly; wan and wan2 share one wire.
//
// It is for tests that need the kernel and Docker. It knows nothing about
// policies, and tests that need no packets do better with the fake kernel of
// rules/ruletest.
//
// The host is more than a network namespace: it has its own process ids, its
// own /run, /var/lib, /proc and /sys. So Docker and the agent use their usual
// paths, do not see another lab's processes, and need no cleaning up.
//
// Invariants:
//
//  1. The machine's own rules, links, routes and /run are never touched, but
//     for the names below /run/netns and a cgroup that begin with "dwt-".
//  2. Everything in a lab ends when the test does, also a test that is killed:
//     pid 1 of the lab reads a pipe that the test process holds open. Names
//     left behind by a killed test go when the next lab is made.
//  3. Several labs may run one after the other and at the same time.
//  4. Packets go nowhere but to loopback and the lab's own namespaces.
//
// Thread safety: a Lab may be used by several goroutines, except that starting
// and stopping dockerd or the agent belongs to one at a time. Methods that end
// the test on failure must be called from the test's own goroutine.
package lab
