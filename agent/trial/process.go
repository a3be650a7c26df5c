package trial

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Process is a process that is told from a later one of the same number.
type Process struct {
	PID int `json:"pid"`
	// Started is when it began, in the kernel's ticks since the boot.
	Started uint64 `json:"started"`
}

// ProcessOf looks at a running process.
func ProcessOf(pid int) (Process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	// The name, in brackets, may hold anything; state is field 3, starttime 22.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return Process{}, fmt.Errorf("looking at process %d: its stat has %d fields", pid, len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return Process{}, fmt.Errorf("process %d has ended", pid)
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return Process{}, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	return Process{pid, started}, nil
}

// Alive reports whether it still runs.
func (p Process) Alive() bool {
	now, err := ProcessOf(p.PID)
	return err == nil && now == p
}
