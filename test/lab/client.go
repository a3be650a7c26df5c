package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DialTimeout is how long a client waits for an answer: far more than a packet
// needs in a lab, far less than TCP's first retransmission.
const DialTimeout = 600 * time.Millisecond

// Client is a place packets come from: a client namespace, the host itself or
// a container.
type Client struct {
	lab   *Lab
	name  string
	netns string // path
}

// Result is what came of one attempt.
type Result struct {
	OK     bool   `json:"ok"`
	Answer string `json:"answer"` // "<name> <peer address> <local address>" as the server saw it
	Class  string `json:"class"`  // ok, refused, timeout, unreachable, reset, other
	Error  string `json:"error"`
	Local  string `json:"local"`
}

// Server is the name of the responder that answered, "" if none did.
func (r Result) Server() string {
	name, _, _ := strings.Cut(r.Answer, " ")
	return name
}

// Peer is the client's address as the server saw it.
func (r Result) Peer() netip.Addr {
	fields := strings.Fields(r.Answer)
	if len(fields) != 3 {
		return netip.Addr{}
	}
	peer, err := netip.ParseAddrPort(fields[1])
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}

// String is short, for failure messages.
func (r Result) String() string {
	if r.OK {
		return "ok: " + r.Answer
	}
	return r.Class + ": " + r.Error
}

// Client is one of "wan", "wan2", "lan", or "host" for the host itself.
func (l *Lab) Client(name string) *Client {
	return &Client{lab: l, name: name, netns: l.NamespacePath(name)}
}

// Name is the client's name, for failure messages.
func (c *Client) Name() string { return c.name }

// Dial asks once; proto is "tcp" or "udp". It may be called from several
// goroutines at the same time.
func (c *Client) Dial(proto string, addr netip.Addr, port uint16) Result {
	return c.DialFrom(netip.Addr{}, proto, addr, port)
}

// DialFrom is Dial with a source address of the client's choice.
func (c *Client) DialFrom(from netip.Addr, proto string, addr netip.Addr, port uint16) Result {
	args := []string{"dial", "-json", "-proto", proto, "-timeout", DialTimeout.String()}
	if from.IsValid() {
		args = append(args, "-from", from.String())
	}
	stdout, stderr, code := result(c.responder(append(args, netip.AddrPortFrom(addr, port).String())...), "")
	var r Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		return Result{Class: "other", Error: fmt.Sprintf("responder: exit code %d: %s%s", code, stdout, stderr)}
	}
	return r
}

// responder runs the responder in the client's network namespace, for short.
func (c *Client) responder(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + c.netns, c.lab.bin.path("responder")}, args...)...)
}

// lasting runs the responder in the client's network namespace, and in the
// host's process namespace so that it ends with the lab.
func (c *Client) lasting(args ...string) *exec.Cmd {
	into := []string{"--target", strconv.Itoa(c.lab.init.pid()), "--pid", "--net=" + c.netns, c.lab.bin.path("responder")}
	return exec.Command("nsenter", append(into, args...)...)
}

// Ask is one attempt of many.
type Ask struct {
	From  *Client
	Proto string
	Addr  netip.Addr
	Port  uint16
}

// String is how a failure message names the attempt.
func (a Ask) String() string {
	return fmt.Sprintf("%s -> %s/%s", a.From.name, netip.AddrPortFrom(a.Addr, a.Port), a.Proto)
}

// dialers is how many attempts run at the same time.
const dialers = 16

// DialAll makes all the attempts, many at a time, and returns their results in
// the order of the attempts.
func (l *Lab) DialAll(asks []Ask) []Result {
	results := make([]Result, len(asks))
	slots := make(chan struct{}, dialers)
	var running sync.WaitGroup
	for i, ask := range asks {
		slots <- struct{}{}
		running.Go(func() {
			results[i] = ask.From.Dial(ask.Proto, ask.Addr, ask.Port)
			<-slots
		})
	}
	running.Wait()
	return results
}

// Serve answers on listeners such as "tcp:7000,udp6:53" in the client's
// namespace until the lab ends; name is the first word of the answers.
func (c *Client) Serve(name, listen string) {
	c.lab.t.Helper()
	c.Service(name, listen)
}

// Service is a responder that a test can stop.
type Service struct {
	lab     *Lab
	process *process
}

// Stop ends the responder.
func (s *Service) Stop() {
	s.lab.t.Helper()
	if err := s.process.signal(syscall.SIGTERM, true); err != nil {
		s.lab.t.Fatalf("stopping a responder: %v", err)
	}
}

// Service is Serve with something to stop it by.
func (c *Client) Service(name, listen string) *Service {
	l := c.lab
	l.t.Helper()
	out := &output{}
	cmd := c.lasting("serve", "-name", name, "-listen", listen)
	cmd.Stdout, cmd.Stderr = out, out
	p, err := l.started.start(cmd, false)
	if err != nil {
		l.t.Fatalf("serving %s: %v", listen, err)
	}
	l.until(10*time.Second, "a responder on "+listen, func() error {
		if strings.Contains(out.String(), "listening") {
			return nil
		}
		return fmt.Errorf("it says %q", out)
	})
	return &Service{l, p}
}

// Responder is the path of the responder, inside and outside the host.
func (l *Lab) Responder() string { return l.bin.path("responder") }
