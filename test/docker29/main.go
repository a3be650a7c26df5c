package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

const (
	// socket is where clients look for the engine, and behind is the real one's.
	socket = "/run/docker.sock"
	behind = "/run/docker-behind.sock"
)

func main() {
	log.SetFlags(log.Lmicroseconds)
	if len(os.Args) < 2 {
		log.Fatal("want: docker29 dockerd ARG...")
	}
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

// run is the engine from its start to its end.
func run(argv []string) error {
	argv = append(argv, "--iptables=false", "--ip6tables=false", "--host=unix://"+behind)
	dockerd := exec.Command(argv[0], argv[1:]...)
	dockerd.Stdout, dockerd.Stderr = os.Stdout, os.Stderr
	dockerd.Env = append(os.Environ(), "DOCKER_FIREWALL_BACKEND=nftables")
	// A double that is killed takes the engine with it, as one process would end.
	dockerd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if err := dockerd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for s := range signals {
			_ = dockerd.Process.Signal(s)
		}
	}()
	failed := make(chan error, 1)
	go func() { failed <- serve(ctx) }()
	ended := make(chan error, 1)
	go func() { ended <- dockerd.Wait() }()
	select {
	case err := <-ended:
		return err
	case err := <-failed:
		_ = dockerd.Process.Signal(syscall.SIGTERM)
		return fmt.Errorf("%w; dockerd: %v", err, <-ended)
	}
}

// serve answers clients as soon as the engine answers and its rules are written, and keeps
// the rules at what the engine says.
func serve(ctx context.Context) error {
	e := newEngine(behind)
	if err := e.await(ctx, time.Minute); err != nil {
		return err
	}
	events, err := e.events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	if err := writeOneByOne(e); err != nil {
		return err
	}
	_ = os.Remove(socket)
	listener, err := listen(socket)
	if err != nil {
		return err
	}
	server := http.Server{Handler: e.proxy(), ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	changed := make(chan struct{}, 1)
	go notify(events, changed)
	for {
		select {
		case err := <-failed:
			return err
		case _, more := <-changed:
			if !more {
				return nil // the engine ended, and run sees that
			}
			if err := write(e); err != nil {
				return err
			}
		}
	}
}
