package lab

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Stream is one connection that stays open, to see whether it lives.
type Stream struct {
	client  *Client
	process *process
	lines   *bufio.Reader
	// Answer is the server's first line.
	Answer string
}

// Stream opens a connection and keeps it; the test ends when it cannot.
func (c *Client) Stream(proto string, addr netip.Addr, port uint16) *Stream {
	t := c.lab.t
	t.Helper()
	cmd := c.lasting("stream", "-proto", proto, "-timeout", DialTimeout.String(), netip.AddrPortFrom(addr, port).String())
	reader, writer := io.Pipe()
	cmd.Stdout = writer
	p, err := c.lab.started.start(cmd, true)
	if err != nil {
		t.Fatalf("opening a stream: %v", err)
	}
	go func() {
		<-p.done
		writer.Close()
	}()
	s := &Stream{client: c, process: p, lines: bufio.NewReader(reader)}
	t.Cleanup(s.Close)
	line := s.next()
	answer, ok := strings.CutPrefix(line, "ok ")
	if !ok {
		t.Fatalf("opening a stream %s -> %s/%s: %s", c.name, netip.AddrPortFrom(addr, port), proto, line)
	}
	s.Answer = answer
	return s
}

// Echo sends a line and returns what became of it: "ok", or the class of failure
// when the server's echo did not come back in time.
func (s *Stream) Echo() string {
	if _, err := fmt.Fprintln(s.process.in, "are you there"); err != nil {
		return "ended"
	}
	class, _, _ := strings.Cut(s.next(), " ")
	return class
}

func (s *Stream) next() string {
	line, err := s.lines.ReadString('\n')
	if err != nil {
		return "ended"
	}
	return strings.TrimSpace(line)
}

// Close ends the connection.
func (s *Stream) Close() { s.process.end() }
