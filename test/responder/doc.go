// Command responder is the one program in the lab's container image and the
// one its clients run. It answers, and it asks.
//
// It is for tests only, and nothing of dockwall depends on it.
//
//	responder [serve] -listen tcp:8080,udp:8080 -name web
//	responder dial    -proto tcp -from ADDR -timeout 500ms ADDR:PORT   -proto icmp: one ping
//	responder stream  -proto tcp ADDR:PORT          lines from stdin, echoed by the server
//	responder flood   -proto tcp -for 2s ADDR:PORT  as many connections as it can
//	responder probe   -count 20 -every 5ms ADDR:PORT [ADDR:PORT...]
//	responder pose    -as dockerd -listen tcp:22 -- ARG...   serve under another program's name and arguments
//	responder hold                                  pid 1 of a lab host
//
// Invariants:
//
//  1. A connection counts as open only when the server's own line was read
//     through it: docker-proxy accepts connections that lead nowhere.
//  2. Every client mode is bounded in time; flood and probe in number too.
//  3. A UDP answer leaves from the address that was asked.
//
// Exit codes of dial: 0 answered, 3 refused, 4 timeout, 5 unreachable, 6 any
// other failure, 2 wrong usage.
//
// Thread safety: one process, one mode; goroutines share nothing but the tally
// of flood, which has its own lock.
package main
