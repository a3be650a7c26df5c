package trial

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is how a trial keeps time.
type Clock struct {
	// Now is the time of day, which people and programs set.
	Now func() time.Time
	// Up is the time since the boot, suspension included. It cannot be set.
	Up func() time.Duration
	// Boot differs from one boot to the next.
	Boot string
}

// SystemClock is the host's.
func SystemClock() Clock {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = []byte("unknown")
	}
	return Clock{Now: time.Now, Up: up, Boot: strings.TrimSpace(string(boot))}
}

func up() time.Duration {
	var ts unix.Timespec
	// CLOCK_BOOTTIME is there since Linux 2.6.39.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano())
}
