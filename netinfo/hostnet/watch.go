package hostnet

import (
	"context"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Watch calls notify after every change of a link or an address, until ctx
// ends, and once at the beginning, when the subscription is in place. A
// subscription that breaks or overflows is opened again, and notify called,
// since something may have been missed. onError, which may be nil, is told why
// it broke.
//
// It blocks, and stays in the network namespace of the calling goroutine.
// notify is called on that goroutine: it should not block for long.
func Watch(ctx context.Context, notify func(), onError func(error)) {
	watch(ctx, watchBuffer, notify, onError)
}

func watch(ctx context.Context, buffer int, notify func(), onError func(error)) {
	subscription{
		what:     "changes of links and addresses",
		open:     func() (*netlink.Conn, error) { return dialRoute(buffer) },
		opened:   notify,
		received: func(netlink.Message) { notify() },
	}.run(ctx, onError)
}

func dialRoute(buffer int) (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, err
	}
	if err := conn.SetReadBuffer(buffer); err != nil {
		conn.Close()
		return nil, err
	}
	for _, group := range []uint32{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR} {
		if err := conn.JoinGroup(group); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}
