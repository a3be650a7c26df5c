package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	started := time.Now()
	if listen, ok := os.LookupEnv(poseEnv); ok {
		os.Exit(posing(os.Args[0], listen, os.Stdout, os.Stderr))
	}
	os.Exit(run(started, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program; it returns the exit code.
func run(started time.Time, args []string, in io.Reader, out, errs io.Writer) int {
	mode := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		mode, args = args[0], args[1:]
	}
	switch mode {
	case "serve":
		return serve(args, out, errs)
	case "dial":
		return dial(args, out, errs)
	case "stream":
		return stream(args, in, out, errs)
	case "flood":
		return flood(args, out, errs)
	case "probe":
		return probe(started, args, out, errs)
	case "pose":
		return pose(args, errs)
	case "hold":
		return hold(in, out)
	}
	fmt.Fprintf(errs, "responder: no mode %q\n", mode)
	return exitUsage
}
