// Package scenario reads specifications of what a host does: a prose head that
// says what is promised, then commands, one a line, then files.
//
// It is for parsing only; test/e2e plays scenarios on a real host.
//
//	# The host port decides, not the container's.
//	# Trap 24, 25: one container port, published twice.
//	engines 20.10 28+
//	run web -p 8080:80 -p 9090:80
//	start agent
//	expect wan tcp4 host:8080 allow web
//	expect wan tcp4 host:9090 deny
//	-- agent.hcl --
//	published "web" {
//	  ports = ["8080/tcp"]
//	  from  = ["any"]
//	}
//
// The first lines say what host it needs; left out: any engine, nft, shared
// with other scenarios.
//
//	engines COND ...        only these: 20.10, 28+ (28.0 and later), <28
//	dockerd ARG ...         further arguments of dockerd
//	environment KEY=VALUE   of dockerd
//	variant legacy          which iptables Docker and the agent use
//	only iptables           it is about the rules of that backend
//	docker forwards         ip_forward is off until Docker turns it on
//	docker later            dockerd does not run yet
//	docker 29               a double of Docker 29 with its nftables backend
//	own host                a host that no other scenario uses: for those that
//	                        leave it other than they found it
//
// Then what happens. Any verb may be for some engines only: expect[<28] …
//
//	docker ARG ...                          the engine's client
//	run NAME OPTION ...                     docker run of the responder, which listens on tcp and
//	                                        udp 80 and on the container port of each -p;
//	                                        with listen=80,443 as first OPTION, there instead
//	create NAME OPTION ...                  the same, not started
//	start|launch|stop|kill|reload agent     start waits until it enforces, launch does not
//	start|stop|kill|restart|launch dockerd
//	write FILE [SECTION]                    replaces a file beside agent.hcl, by a rename; "-" for SECTION removes it
//	expect FROM PROTO TARGET VERDICT        now; lines that follow each other are asked together
//	eventually 2s FROM PROTO TARGET VERDICT within that time; how soon a file is in force TestPolicyChange measures, with no other engine beside it
//	flood FROM PROTO TARGET [and …] during {
//	  …
//	} expect 0                              how many got through
//	connect NAME FROM PROTO TARGET          opens a connection and keeps it
//	connection NAME lives|is cut
//	host COMMAND ...                        on the host
//	in PLACE COMMAND ...                    in the network of a client or a container
//	tamper COMMAND ...                      the same, by a program that does not know the agent
//	within 5s rules as before               as the agent had them before the last tamper
//	remember rules                          everybody's, and the sets
//	rules as remembered
//	rules of agent gone                     no trace of the agent is left
//	agentctl [exits CODE] ARG ...           CODE is 0 where it is left out
//	stdout REGEXP                           of the last agentctl; not stdout REGEXP
//	status STATE [REASON ...]               within 10 s
//
// FROM is wan, wan2, lan (clients), host, or a container. PROTO is tcp4, tcp6,
// udp4, udp6, or ping4 and ping6, whose TARGET has no port. TARGET is PLACE:PORT, where PLACE is host (the address the wan
// side knows), host.lan, host.local (fe80::1), wan, wan2, lan, gateway (of the
// network FROM is on), NAME or NAME@NETWORK (a container's own address), or an
// address, an IPv6 one in brackets. Clients and the host answer on 7000, tcp and
// udp, under their names; the host on tcp 2375 too, as a dockerd would. PORT may
// be NAME/PORT: the host port that Docker gave to the container's port.
//
// VERDICT is "allow" or "allow NAME" (the responder's line came back, from
// NAME; left out, the container that the place names), or "deny" (nothing got
// through: silence, a refusal and a reset all count). A denial must hold at
// the first attempt, always; allowing may take the agent some milliseconds, so
// it is tried for two seconds.
//
// Invariants:
//
//  1. What parses can be played: every name of a section, every verb and every
//     number is checked here, with file and line.
//  2. Parsing depends on the text alone.
//
// Thread safety: functions of values.
package scenario
