package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// stream opens one connection, prints the server's line, and then sends each
// line of its input and prints what came back for it, or the class of failure.
// It shows whether a live connection was cut.
func stream(args []string, in io.Reader, out, errs io.Writer) int {
	flags := flag.NewFlagSet("stream", flag.ContinueOnError)
	flags.SetOutput(errs)
	var q question
	q.register(flags)
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
	if !a.OK {
		fmt.Fprintln(out, a.Class)
		return a.exitCode()
	}
	fmt.Fprintln(out, "ok "+a.Answer)
	return echo(conn, q.timeout, in, out)
}

func echo(conn net.Conn, timeout time.Duration, in io.Reader, out io.Writer) int {
	back := bufio.NewReader(conn)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line, err := exchange(conn, back, timeout, lines.Text())
		if err != nil {
			fmt.Fprintln(out, class(err))
			continue
		}
		fmt.Fprintln(out, "ok "+line)
	}
	return exitOK
}

func exchange(conn net.Conn, back *bufio.Reader, timeout time.Duration, line string) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := back.ReadString('\n')
	return strings.TrimSpace(answer), err
}
