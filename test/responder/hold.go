package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// hold is pid 1 of a lab host: it buries the processes that lost their parent,
// and ends, and with it everything in the lab, when its input does. The other
// end of that pipe is the test's, so a test that is killed leaves no process.
func hold(in io.Reader, out io.Writer) int {
	children := make(chan os.Signal, 16)
	signal.Notify(children, unix.SIGCHLD)
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in)
		close(ended)
	}()
	fmt.Fprintln(out, "holding")
	for {
		reap()
		select {
		case <-ended:
			return exitOK
		case <-children:
		}
	}
}

func reap() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if err != nil || pid <= 0 {
			return
		}
	}
}
