package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// daemons are the engine's processes on the host.
type daemons struct {
	containerd *process
	dockerd    *process
	imported   bool
}

// DockerSocket is the path of the engine's socket, as seen from outside the
// lab. On the host it is /run/docker.sock, Docker's default.
func (l *Lab) DockerSocket() string { return filepath.Join(l.dir, "run", "docker.sock") }

// StartDockerd starts dockerd with the lab's arguments and these, and waits
// until it answers.
func (l *Lab) StartDockerd(args ...string) {
	l.t.Helper()
	l.LaunchDockerd(args...)
	l.WaitDockerd()
}

// LaunchDockerd starts dockerd and does not wait, for tests of what happens
// while it starts.
func (l *Lab) LaunchDockerd(args ...string) {
	l.t.Helper()
	if l.docker == nil {
		l.docker = &daemons{containerd: l.background("containerd", "--log-level=warn", "--config="+l.containerdConfig())}
		l.waitContainerd()
	}
	all := append([]string{
		"dockerd", "--containerd=/run/containerd/containerd.sock", "--cgroup-parent=/" + l.id,
		"--exec-opt=native.cgroupdriver=cgroupfs", "--config-file=" + l.daemonConfig(),
	}, l.options.Args...)
	if l.options.Docker29 {
		all = append([]string{l.bin.path("docker29")}, all...)
	}
	cmd := l.command(append(all, args...)...)
	cmd.Env = append(cmd.Env, l.options.Env...)
	l.docker.dockerd = l.logged("dockerd", cmd)
}

// WaitDockerd waits until dockerd answers, and gives it the image if it has
// none yet.
func (l *Lab) WaitDockerd() {
	l.t.Helper()
	l.until(40*time.Second, "dockerd to answer", func() error {
		if !l.docker.dockerd.running() {
			return fmt.Errorf("dockerd has ended:\n%s", tail(l.log("dockerd"), 20))
		}
		return l.ping()
	})
	if !l.docker.imported {
		l.importImage()
		l.docker.imported = true
	}
}

// StopDockerd stops dockerd as systemd would, with SIGTERM. Its containers go
// too, unless it runs with --live-restore.
func (l *Lab) StopDockerd() {
	l.t.Helper()
	if err := l.docker.dockerd.signal(syscall.SIGTERM, true); err != nil {
		l.t.Fatalf("stopping dockerd: %v", err)
	}
}

// KillDockerd kills dockerd with SIGKILL; its containers go on running.
func (l *Lab) KillDockerd() {
	l.t.Helper()
	if err := l.docker.dockerd.signal(syscall.SIGKILL, true); err != nil {
		l.t.Fatalf("killing dockerd: %v", err)
	}
}

// RestartDockerd stops dockerd and starts it again. For a live restore, give
// the lab or both starts "--live-restore".
func (l *Lab) RestartDockerd(args ...string) {
	l.t.Helper()
	l.StopDockerd()
	l.StartDockerd(args...)
}

// SignalDockerd sends dockerd a signal that it does not end by.
func (l *Lab) SignalDockerd(s syscall.Signal) {
	l.t.Helper()
	if err := l.docker.dockerd.signal(s, false); err != nil {
		l.t.Fatalf("signalling dockerd: %v", err)
	}
}

// containerdConfig turns off what only Kubernetes needs.
func (l *Lab) containerdConfig() string {
	l.t.Helper()
	path := filepath.Join(l.dir, "etc", "containerd.toml")
	text := "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatalf("writing containerd's file: %v", err)
	}
	return path
}

// daemonConfig is an empty daemon.json: the machine's own must not count.
func (l *Lab) daemonConfig() string {
	l.t.Helper()
	path := filepath.Join(l.dir, "etc", "daemon.json")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.WriteFile(path, []byte("{}\n"), 0o644); err != nil {
		l.t.Fatalf("writing daemon.json: %v", err)
	}
	return path
}

func (l *Lab) ping() error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", l.DockerSocket())
		},
	}}
	response, err := client.Get("http://docker/_ping")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

func (l *Lab) waitContainerd() {
	l.t.Helper()
	socket := filepath.Join(l.dir, "run", "containerd", "containerd.sock")
	l.until(20*time.Second, "containerd to listen", func() error {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, tail(l.log("containerd"), 20))
		}
		return c.Close()
	})
}

// background starts a program on the host that runs until it or the lab ends.
// Its log is NAME.log in the lab's directory.
func (l *Lab) background(args ...string) *process {
	l.t.Helper()
	return l.logged(args[0], l.command(args...))
}

// logged starts cmd with its output appended to the log called name.
func (l *Lab) logged(name string, cmd *exec.Cmd) *process {
	l.t.Helper()
	log, err := os.OpenFile(l.logPath(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		l.t.Fatalf("starting %s: %v", name, err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	p, err := l.started.start(cmd, false)
	if err != nil {
		l.t.Fatalf("starting %s: %v", name, err)
	}
	return p
}

func (l *Lab) logPath(name string) string {
	return filepath.Join(l.dir, filepath.Base(name)+".log")
}

// log is what a background program has printed so far.
func (l *Lab) log(name string) string {
	data, err := os.ReadFile(l.logPath(name))
	if err != nil {
		return ""
	}
	return string(data)
}
