package connlimit

import (
	"time"

	"golang.org/x/sys/unix"
)

// reserve is how many descriptors are kept for the agent's own work: files,
// netlink sockets, Docker's API, and pipes to the programs that it starts. It has
// some forty open in all its work.
const reserve = 96

// Limits are how many connections may be open at once.
type Limits struct {
	// All is how many of all peers, Peer how many of one.
	All, Peer int
	// Patience is how long a new connection may take until it has sent a request
	// before it makes room for another, and how long that other one waits for room.
	// Zero suits an address that all hosts reach: waiting clients would keep others
	// waiting.
	Patience time.Duration
}

// Within returns the limits, or lower ones if the process may open so few
// descriptors that these would not leave the agent enough. Each of several listeners
// gets a third of what the reserve leaves.
func (l Limits) Within() Limits {
	var is unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &is) != nil {
		return l
	}
	return l.within(is.Cur)
}

func (l Limits) within(descriptors uint64) Limits {
	const least = 4
	room := (int(min(descriptors, 1<<20)) - reserve) / 3
	all := min(l.All, max(least, room))
	return Limits{All: all, Peer: max(1, l.Peer*all/l.All), Patience: l.Patience}
}
