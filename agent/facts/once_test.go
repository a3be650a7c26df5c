package facts

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/netinfo"
)

// TestSavedDoesNotAskDocker has a socket that takes every question and never
// answers, as docker.socket does while Docker waits for the boot unit.
func TestSavedDoesNotAskDocker(t *testing.T) {
	dir := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "docker.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := config.Settings{Docker: config.DockerSettings{Host: "unix://" + l.Addr().String()},
		Control: config.ControlSettings{Socket: filepath.Join(dir, "agent.sock")}}
	if err := Save(StatePath(s.Control.Socket), netinfo.Snapshot{Networks: answer(true).Networks, Containers: answer(true).Containers}); err != nil {
		t.Fatal(err)
	}
	snap, err := Saved(s, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if len(snap.Containers) != 1 || len(snap.Networks) != 1 || snap.Engine.Connected {
		t.Errorf("the saved facts are not used: %+v", snap)
	}
	// The socket's queue is in order: this test's own connection comes first only
	// if it is the only one.
	own, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := own.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := first.Read(make([]byte, 1)); n != 1 {
		t.Errorf("Docker's socket was asked before: %v", err)
	}
}
