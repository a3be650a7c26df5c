package cli

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"dockwall/rules/explain"
	"dockwall/rules/plan"
)

// sessionVariable is what sshd tells a session's processes.
const sessionVariable = "SSH_CONNECTION"

// maxAncestors bounds the way up to the session's shell.
const maxAncestors = 64

// session looks for SSH_CONNECTION in this process and those above it: sudo
// and su drop it.
func session() string {
	if s := os.Getenv(sessionVariable); s != "" {
		return s
	}
	pid := os.Getppid()
	for range maxAncestors {
		if pid <= 1 {
			return ""
		}
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			return ""
		}
		for v := range bytes.SplitSeq(env, []byte{0}) {
			if s, ok := bytes.CutPrefix(v, []byte(sessionVariable+"=")); ok {
				return string(s)
			}
		}
		pid = parentOf(pid)
	}
	return ""
}

// parentOf is a process's parent; 0: it is gone.
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in brackets, may hold anything; then come state and parent.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return parent
}

// mindSession warns of a change that would cut the SSH connection which it is
// typed in, and refuses it where it would not go back by itself.
func (a *app) mindSession(w wanted, p plan.Plan, f applyFlags) error {
	if p.Empty() || f.unattended || a.env.Host.Session == nil {
		return nil
	}
	cut := cuts(a.env.Host.Session(), w)
	switch {
	case cut == "":
		return nil
	case f.trial:
		a.warn("%s. It goes back by itself after %s unless it is confirmed.", cut, f.confirm)
		return nil
	case f.force:
		a.warn("%s.", cut)
		return nil
	}
	return errors.New(cut + "; nothing was changed: try it with --confirm 60s, or say --force")
}

// cuts says how the ruleset would cut the SSH connection; empty: it would not,
// or nobody can tell.
func cuts(connection string, w wanted) string {
	parts := strings.Fields(connection)
	if len(parts) != 4 {
		return ""
	}
	client, server := parts[0], net.JoinHostPort(parts[2], parts[3])
	r, err := explain.Ask(explain.Query{From: client, To: server, Proto: "tcp"}, w.doc.Policy, w.snapshot, w.rules)
	if err != nil || r.Verdict != explain.Deny {
		return ""
	}
	would, by := "would", r.Policy
	if !r.Agreed {
		would = "may" // it depends on the interface, which is not known
	}
	if r.Position != "" {
		by += ", " + r.Position
	}
	return fmt.Sprintf("this %s cut the SSH connection that you are typing in: %s may not reach %s (%s)", would, client, server, by)
}
