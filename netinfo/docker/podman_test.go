package docker

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What Podman's service answers in Docker's API, shortened to what is read.
func TestPodmanAndRootlessAreRecognised(t *testing.T) {
	const podman = `{"Version":"4.3.1","Components":[{"Name":"Podman Engine","Version":"4.3.1"}]}`
	for _, x := range []struct {
		info, version     string
		podman, elsewhere bool
	}{
		{`{"ServerVersion":"28.5.2","SecurityOptions":["name=seccomp,profile=builtin"]}`, `{"Version":"28.5.2","Components":[{"Name":"Engine","Version":"28.5.2"}]}`, false, false},
		{`{"ServerVersion":"28.5.2","SecurityOptions":["name=seccomp,profile=builtin","name=rootless","name=cgroupns"]}`, `{"Version":"28.5.2"}`, false, true},
		{`{"ServerVersion":"4.3.1","SecurityOptions":["name=seccomp,profile=default"]}`, podman, true, false},
		{`{"ServerVersion":"4.3.1","SecurityOptions":["name=rootless"]}`, podman, true, true},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/info"):
				_, _ = w.Write([]byte(x.info))
			case strings.HasSuffix(r.URL.Path, "/version"):
				_, _ = w.Write([]byte(x.version))
			}
		}))
		eng, err := dial("tcp://"+srv.Listener.Addr().String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		e, _, err := eng.Engine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		eng.Close()
		srv.Close()
		if e.Version == "" || e.Podman != x.podman || (e.Elsewhere != "") != x.elsewhere {
			t.Errorf("%s: %+v, want Podman %v, elsewhere %v", x.info, e, x.podman, x.elsewhere)
		}
	}
}
