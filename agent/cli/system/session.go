package system

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
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

// parentOf is a process's parent; 0 if it is gone.
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
