package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// serve answers on every listener until it is told to stop. Being pid 1 of its
// container it must ask for SIGTERM, or `docker stop` would wait ten seconds.
func serve(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(errs)
	listen := flags.String("listen", "tcp:8080", "comma separated NETWORK:[ADDR:]PORT")
	name := flags.String("name", "responder", "first word of each answer")
	if flags.Parse(args) != nil {
		return exitUsage
	}
	for spec := range strings.SplitSeq(*listen, ",") {
		if spec == "" {
			continue
		}
		if err := start(spec, *name); err != nil {
			fmt.Fprintf(errs, "responder: %v\n", err)
			return exitOther
		}
	}
	fmt.Fprintln(out, "listening")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	return exitOK
}

// start opens one listener and serves it in the background.
func start(spec, name string) error {
	network, address, err := parseListen(spec)
	if err != nil {
		return err
	}
	if strings.HasPrefix(network, "udp") {
		return startUDP(network, address, name)
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", spec, err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerTCP(c, name)
		}
	}()
	return nil
}

// parseListen takes "tcp:8080", "udp6:8080", "tcp:127.0.0.1:80", "tcp:[::1]:80".
func parseListen(spec string) (network, address string, err error) {
	network, address, ok := strings.Cut(spec, ":")
	if !ok || address == "" {
		return "", "", fmt.Errorf("listener %q: want NETWORK:[ADDR:]PORT", spec)
	}
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return "", "", fmt.Errorf("listener %q: no network %q", spec, network)
	}
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	return network, address, nil
}

// answerTCP writes its own name and the client's address, then echoes line by line.
func answerTCP(c net.Conn, name string) {
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s %s %s\n", name, c.RemoteAddr(), c.LocalAddr()); err != nil {
		return
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if _, err := fmt.Fprintf(c, "%s\n", lines.Text()); err != nil {
			return
		}
	}
}
