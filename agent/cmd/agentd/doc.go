// Command agentd keeps the host's firewall as agent.hcl says.
//
// It parses the command line and runs agent/daemon until SIGINT or SIGTERM.
//
// Exit codes: 0 it was asked to end, 1 it could not start or failed, 2 the
// command line has an error.
package main
