package hostnet

import (
	"context"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
)

// A subscription that fails is opened again after firstPause, doubled at each
// further failure up to lastPause.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 5 * time.Second
	// watchBuffer holds some thousand notices, so that starting a hundred
	// containers at once does not overflow it.
	watchBuffer = 4 << 20
)

// subscription is a netlink socket that only listens.
type subscription struct {
	what string
	open func() (*netlink.Conn, error)
	// opened is called once after each opening: what happened before it was
	// perhaps missed, what happens after it is not.
	opened func()
	// received is given each message.
	received func(netlink.Message)
}

// run listens until ctx ends. It opens the socket on the calling goroutine,
// each time, so that it stays in this goroutine's network namespace.
func (s subscription) run(ctx context.Context, onError func(error)) {
	pause := firstPause
	for ctx.Err() == nil {
		heard, err := s.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if onError != nil {
			onError(fmt.Errorf("listening for %s: %w", s.what, err))
		}
		if heard {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// listen opens the socket and listens until it fails or ctx ends. It tells
// whether anything was received.
func (s subscription) listen(ctx context.Context) (heard bool, err error) {
	conn, err := s.open()
	if err != nil {
		return false, err
	}
	defer conn.Close()
	// Closing a socket that another goroutine reads is a race for its number;
	// a deadline in the past wakes the reader instead.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	s.opened()
	for {
		for m, err := range conn.ReceiveIter() {
			if err != nil {
				return heard, err
			}
			heard = true
			s.received(m)
		}
	}
}
