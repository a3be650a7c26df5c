package facts

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/netinfo/docker/dockertest"
)

// busyEngine has containers whose description takes some time; for ever if 0.
func busyEngine(t *testing.T, containers int, takes time.Duration) config.Settings {
	t.Helper()
	dir := t.TempDir()
	e, err := dockertest.New(dir, dockertest.Gen28)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	for i := range containers {
		e.Start(e.Create(dockertest.Container{Name: fmt.Sprint("c", i), Ports: []dockertest.Port{{Port: "80/tcp", HostPort: fmt.Sprint(10000 + i)}}}))
	}
	e.Interpose(func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/containers/") || !strings.HasSuffix(r.URL.Path, "/json") || r.URL.Path == "/containers/json" {
			return false
		}
		if takes == 0 {
			<-r.Context().Done()
			return true
		}
		time.Sleep(takes)
		return false
	})
	return config.Settings{Docker: config.DockerSettings{Host: e.Host()}, Control: config.ControlSettings{Socket: filepath.Join(dir, "agent.sock")}}
}

func described(s netinfo.Snapshot) (n int) {
	for _, c := range s.Containers {
		if !c.Unread && len(c.Ports) > 0 {
			n++
		}
	}
	return n
}

// TestOnceWaitsForABusyEngine has an engine that takes longer for all containers than
// the limit: as long as more are described, Once waits, and says how far it is.
func TestOnceWaitsForABusyEngine(t *testing.T) {
	const containers = 200
	s := busyEngine(t, containers, 200*time.Millisecond)
	shown, most := 0, 0
	snap, err := Once(t.Context(), s, 3*time.Second, func(read, all int) {
		if all != containers || read < most {
			t.Errorf("progress: %d of %d after %d", read, all, most)
		}
		shown, most = shown+1, read
	}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if n := described(snap); n != containers || !snap.Engine.Connected {
		t.Errorf("%d of %d containers are described, connected %v", n, containers, snap.Engine.Connected)
	}
	if shown == 0 {
		t.Error("no progress was shown")
	}
}

// TestOnceGivesUpAnEngineThatHangs ends although no container is ever described, and
// says which were not.
func TestOnceGivesUpAnEngineThatHangs(t *testing.T) {
	snap, err := Once(t.Context(), busyEngine(t, 5, 0), time.Second, nil, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	unread := 0
	for _, c := range snap.Containers {
		if c.Unread {
			unread++
		}
	}
	if described(snap) != 0 || unread != 5 {
		t.Errorf("of 5 containers %d are described, %d unread", described(snap), unread)
	}
}
