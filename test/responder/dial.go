package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// Exit codes of dial.
const (
	exitOK          = 0
	exitUsage       = 2
	exitRefused     = 3
	exitTimeout     = 4
	exitUnreachable = 5
	exitOther       = 6
)

// answer is what came of asking once.
type answer struct {
	OK     bool   `json:"ok"`
	Answer string `json:"answer,omitempty"` // the server's line
	Class  string `json:"class"`            // ok, refused, timeout, silent, unreachable, reset, other
	Error  string `json:"error,omitempty"`
	Local  string `json:"local,omitempty"` // the client's own end
	Micros int64  `json:"micros"`
}

// question is how to ask, shared by all client modes.
type question struct {
	proto   string
	from    string
	timeout time.Duration
}

func (q *question) register(flags *flag.FlagSet) {
	flags.StringVar(&q.proto, "proto", "tcp", "tcp, udp, or icmp for a ping")
	flags.StringVar(&q.from, "from", "", "source address")
	flags.DurationVar(&q.timeout, "timeout", 500*time.Millisecond, "how long to wait for the answer")
}

// dialer checks the question and makes it ready.
func (q *question) dialer() (net.Dialer, error) {
	var d net.Dialer
	if q.proto != "tcp" && q.proto != "udp" && q.proto != "icmp" {
		return d, fmt.Errorf("-proto %q: want tcp, udp or icmp", q.proto)
	}
	if q.from == "" {
		return d, nil
	}
	addr, err := netip.ParseAddr(q.from)
	if err != nil {
		return d, fmt.Errorf("-from: %w", err)
	}
	local := netip.AddrPortFrom(addr, 0)
	switch q.proto {
	case "udp":
		d.LocalAddr = net.UDPAddrFromAddrPort(local)
	case "icmp":
		d.LocalAddr = &net.IPAddr{IP: addr.AsSlice()}
	default:
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	return d, nil
}

// ask opens one connection and reads the server's line. The connection is left
// open, and is nil where there is none.
func (q *question) ask(ctx context.Context, d net.Dialer, address string) (net.Conn, answer) {
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	began := time.Now()
	once := askTCP
	switch q.proto {
	case "udp":
		once = askUDP
	case "icmp":
		once = ping
	}
	conn, line, err := once(ctx, d, address)
	a := answer{OK: err == nil, Answer: line, Class: class(err), Micros: time.Since(began).Microseconds()}
	if err != nil {
		a.Error = err.Error()
	}
	if conn != nil {
		a.Local = conn.LocalAddr().String()
	}
	if conn != nil && q.proto == "tcp" && a.Class == "timeout" {
		// The connection was accepted, and the server waits for a request, as with HTTP.
		a.Class = "silent"
	}
	return conn, a
}

func askTCP(ctx context.Context, d net.Dialer, address string) (net.Conn, string, error) {
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, "", err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return conn, "", err
		}
	}
	line, err := bufio.NewReaderSize(conn, 512).ReadString('\n')
	return conn, strings.TrimSpace(line), err
}

// class sorts what went wrong into what a firewall can do to a client.
func class(err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EACCES):
		return "unreachable"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		return "reset"
	}
	return "other"
}

func (a answer) exitCode() int {
	switch a.Class {
	case "ok":
		return exitOK
	case "refused":
		return exitRefused
	case "timeout", "silent":
		return exitTimeout
	case "unreachable":
		return exitUnreachable
	}
	return exitOther
}

// dial asks once and prints the answer, or why there is none.
func dial(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("dial", flag.ContinueOnError)
	flags.SetOutput(errs)
	var q question
	q.register(flags)
	asJSON := flags.Bool("json", false, "print the whole result")
	if flags.Parse(args) != nil || flags.NArg() != 1 {
		return exitUsage
	}
	d, err := q.dialer()
	if err != nil {
		fmt.Fprintf(errs, "responder: %v\n", err)
		return exitUsage
	}
	conn, a := q.ask(context.Background(), d, flags.Arg(0))
	if conn != nil {
		defer conn.Close()
	}
	switch {
	case *asJSON:
		_ = json.NewEncoder(out).Encode(a)
	case a.OK:
		fmt.Fprintln(out, a.Answer)
	default:
		fmt.Fprintln(out, a.Class)
	}
	return a.exitCode()
}
