package config

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Times for a file that another program is writing.
const (
	// quietTime is how long a file must have stayed the same: a loop of echo >> list
	// opens and closes the file for every line.
	quietTime = 100 * time.Millisecond
	// quietUnknown is quietTime where the kernel cannot say whether a program has the
	// file open for writing, as on network file systems.
	quietUnknown = time.Second
	// idleTime ends the wait for a program that has the file open and writes nothing.
	idleTime = 5 * time.Second
	// growTime ends the wait for a list that only gets longer, as a log does: each line
	// that is there is whole, and the writer may never close the file.
	growTime = 3 * time.Second
	// changeTime ends the wait for a file that was truncated and is being written
	// again, such as a download.
	changeTime = 30 * time.Second
	// onceTime ends the wait of a program that reads the file once.
	onceTime = 5 * time.Second
)

// making says how far a program is with writing a file.
type making int

const (
	finished making = iota
	recent          // no program has it open for writing, as far as the kernel can say, and it changed a moment ago
	open            // a program has it open for writing
)

// makingOf asks the kernel. A read lease is granted only while no process has the
// file open for writing; it is given back at once. A writer that opens the file in
// these microseconds waits for that.
func makingOf(f *os.File, now time.Time) (making, error) {
	st, err := f.Stat()
	if err != nil {
		return finished, err
	}
	quiet := quietTime
	switch _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); {
	case err == nil:
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK); err != nil {
			return finished, err
		}
	case errors.Is(err, unix.EAGAIN):
		return open, nil
	default: // no leases here, or the file is another user's and this process lacks CAP_LEASE
		quiet = quietUnknown
	}
	// A time of change in the future was set by hand or by another clock: it says nothing.
	if age := now.Sub(st.ModTime()); age >= 0 && age < quiet {
		return recent, nil
	}
	return finished, nil
}

// wait is the wait for one file in the making.
type wait struct {
	since   time.Time
	print   string
	changed time.Time // when print was last seen to change
	told    bool      // status shows it
	due     bool      // the wait is over, and the file is to be read
}

// note takes down what the file looks like now.
func (w *wait) note(print string, now time.Time) {
	if w.print != print {
		w.print, w.changed = print, now
	}
}

// over reports whether to take the file as it is although a program writes to it.
// grown reports whether it is the last good list and more lines.
func (w *wait) over(now time.Time, grown func() bool) bool {
	waited := now.Sub(w.since)
	return waited >= changeTime || now.Sub(w.changed) >= idleTime || waited >= growTime && grown()
}
