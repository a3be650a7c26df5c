package probe

import (
	"errors"
	"net"
	"syscall"
)

// maxRead is far more than a handshake and the head of an answer take.
const maxRead = 64 << 10

var errTooMuch = errors.New("it sends more than an answer has")

// bounded is a connection of which so much can be read.
type bounded struct {
	net.Conn
	left int
}

// Read reads until the bound.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	if len(p) > b.left {
		p = p[:b.left]
	}
	n, err := b.Conn.Read(p)
	b.left -= n
	return n, err
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
