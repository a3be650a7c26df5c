package dockertest

import (
	"bytes"
	"net/http"
	"strings"
)

// Fault may answer a request instead of the engine, and then returns true. The
// path in the request has no API version.
type Fault func(http.ResponseWriter, *http.Request) bool

// Hang accepts every request and answers none.
func Hang(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// Garbage answers what path contains, or everything if that is empty, with body.
func Garbage(path, body string) Fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, path) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
		return true
	}
}

// delayed keeps an answer back.
type delayed struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (d *delayed) Write(b []byte) (int, error) { return d.body.Write(b) }

// Delay has the engine make up its answer to what path contains, and calls wait
// before it sends it.
func (e *Engine) Delay(path string, wait func()) {
	e.Interpose(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, path) {
			return false
		}
		d := &delayed{ResponseWriter: w}
		e.route(d, r)
		wait()
		_, _ = w.Write(d.body.Bytes())
		return true
	})
}
