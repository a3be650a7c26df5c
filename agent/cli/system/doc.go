// Package system is the host that agentctl runs on: the kernel, Docker, the
// terminal and the processes behind the interfaces of agent/cli.
//
// It is for wiring. It decides nothing and prints nothing.
//
// Thread safety: Env is called once.
package system
