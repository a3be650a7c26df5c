// Package bench measures what dockwall costs, beside what the same costs
// without it and with what people use today: the time from an engine's event to
// the rules, whole applies, diffs, new connections, memory and idling.
//
// The agent is the real one, the rules are real and in the kernel of a lab's
// host; the engine is dockertest's, since no machine that one may expect has
// 5,000 containers. Its networks have no bridges and its containers no
// processes, except where packets are to be forwarded.
//
//	dockertest.Engine ──events──► agentd ──► the host's kernel
//	      ▲                                        │ netlink: is the member there?
//	      └── start a container ── stopwatch ◄─────┘
//
// `go test` runs everything at small sizes, and judges no time: that the bench
// still works. `make bench` runs the sizes that the goals are about, prints the
// tables and writes them into test/RESULTS.md.
//
// It is not for finding out whether the rules are right.
package bench
