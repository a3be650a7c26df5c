package lab

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Crowd keeps a number of TCP connections open that ask for nothing, and opens
// another one for each that the other side closes.
type Crowd struct {
	stop chan struct{}
	done sync.WaitGroup
}

// Crowd opens n connections from the client's place. Every other one sends the
// beginning of a request.
func (c *Client) Crowd(n int, to netip.AddrPort) *Crowd {
	c.lab.t.Helper()
	crowd := &Crowd{stop: make(chan struct{})}
	// A thread can be in one namespace, so that a few do the work of all.
	const threads = 4
	for range threads {
		crowd.done.Go(func() {
			_ = inNamespace(c.netns, func() error { crowd.run(n/threads, to); return nil })
		})
	}
	return crowd
}

// run keeps its part open until Stop.
func (c *Crowd) run(n int, to netip.AddrPort) {
	open := make([]net.Conn, n)
	for i := 0; ; i = (i + 1) % n {
		select {
		case <-c.stop:
			for _, conn := range open {
				if conn != nil {
					conn.Close()
				}
			}
			return
		default:
		}
		if open[i] != nil {
			open[i].SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := open[i].Read(make([]byte, 1)); err == nil || isTimeout(err) {
				continue
			}
			open[i].Close()
		}
		conn, err := net.DialTimeout("tcp", to.String(), time.Second)
		if err != nil {
			open[i] = nil
			continue
		}
		if i%2 == 0 {
			_, _ = conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: "))
		}
		open[i] = conn
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// Stop closes all of them.
func (c *Crowd) Stop() {
	close(c.stop)
	c.done.Wait()
}

// Ask sends a request for a path over HTTP from the client's place, and returns what
// came back within five seconds.
func (c *Client) Ask(to netip.AddrPort, path string) (answer string, err error) {
	err = inNamespace(c.netns, func() error {
		conn, err := net.DialTimeout("tcp", to.String(), 5*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Write([]byte("GET " + path + " HTTP/1.0\r\n\r\n")); err != nil {
			return err
		}
		for buf := make([]byte, 64<<10); ; {
			n, err := conn.Read(buf)
			answer += string(buf[:n])
			if err != nil {
				break
			}
		}
		return nil
	})
	return answer, err
}
