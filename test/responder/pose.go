package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// poseEnv is set where pose has started the program again: it says where to listen.
const poseEnv = "RESPONDER_POSE"

// pose starts the program again under the name and the arguments of another one.
func pose(args []string, errs io.Writer) int {
	flags := flag.NewFlagSet("pose", flag.ContinueOnError)
	flags.SetOutput(errs)
	as := flags.String("as", "dockerd", "the program to look like")
	listen := flags.String("listen", "", "comma separated NETWORK:[ADDR:]PORT to answer on, as serve does")
	if flags.Parse(args) != nil {
		return exitUsage
	}
	argv := append([]string{*as}, flags.Args()...)
	err := unix.Exec("/proc/self/exe", argv, append(os.Environ(), poseEnv+"="+*listen))
	fmt.Fprintf(errs, "responder: posing as %s: %v\n", *as, err)
	return exitOther
}

// posing does what is left to do for a program that looks like another one:
// taking its name, and answering.
func posing(name, listen string, out, errs io.Writer) int {
	if err := os.WriteFile("/proc/self/comm", []byte(filepath.Base(name)), 0); err != nil {
		fmt.Fprintf(errs, "responder: taking the name %s: %v\n", name, err)
		return exitOther
	}
	return serve([]string{"-name", filepath.Base(name), "-listen", listen}, out, errs)
}
