package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/control"
)

// agent is a server with every route, and how often it was told to reload.
func agent(f *testing.F) (socket string, reloads *atomic.Int64) {
	f.Helper()
	reloads = &atomic.Int64{}
	routes := []control.Route{
		control.StatusRoute(func() state { return state{"enforcing", 7} }),
		control.SnapshotRoute(testSnapshot),
		control.RulesRoute(func(int) (string, error) { return "*filter\nCOMMIT\n", nil }),
		control.ReloadRoute(func() { reloads.Add(1) }),
		control.DeniedRoute(func(context.Context, control.DeniedQuery) iter.Seq[state] {
			return func(yield func(state) bool) { yield(state{"denied", 1}) }
		}),
	}
	socket = filepath.Join(f.TempDir(), "agent.sock")
	bound, err := control.Bind(socket)
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- control.NewServer(bound, hclog.NewNullLogger(), routes...).Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			f.Errorf("Run: %v", err)
		}
	})
	return socket, reloads
}

// FuzzServer: whatever is sent to the socket is answered with whole answers or
// hung up on, changes nothing unless it is a POST to the one verb that does,
// and the next request is answered as ever.
func FuzzServer(f *testing.F) {
	for _, s := range []string{"GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v1/reload HTTP/1.1\r\nHost: a\r\n\r\n", "POST /v1/reload HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\nGET /v1/rules?family=6 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /v1/denied?lines=x&since=y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v1/denied?past=1 HTTP/1.0\r\n\r\n", "GET /v1/../v1//snapshot HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /v1/rules?family=%00%ff HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: POST\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"} {
		f.Add([]byte(s))
	}
	socket, reloads := agent(f)
	client := control.NewClient(socket)
	f.Fuzz(func(t *testing.T, request []byte) {
		before := reloads.Load()
		checkAnswers(t, request, talk(t, socket, request))
		if n := reloads.Load() - before; n > int64(reloadsIn(request)) {
			t.Fatalf("%q reloaded %d times", request, n)
		}
		var got state
		if err := client.Status(t.Context(), &got); err != nil || got != (state{"enforcing", 7}) {
			t.Fatalf("after %q: %+v, %v", request, got, err)
		}
	})
}

// talk sends the bytes, says that there are no more, and reads all that comes.
func talk(t *testing.T, socket string, request []byte) []byte {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write(request) // it may have hung up by now
	_ = conn.(*net.UnixConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%q holds the connection open", request)
	}
	return answer
}

// reloadsIn is how many requests of those bytes are a POST to /v1/reload.
func reloadsIn(request []byte) int {
	n := 0
	for in := bufio.NewReader(bytes.NewReader(request)); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return n
		}
		if r.Method == http.MethodPost && path.Clean(r.URL.Path) == "/v1/reload" {
			n++
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return n
		}
	}
}

// checkAnswers reads the answers: each is HTTP, and says it is JSON only where
// it is. What is not a request at all is answered in plain text.
func checkAnswers(t *testing.T, request, answers []byte) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(answers))
	for {
		if _, err := in.Peek(1); err != nil {
			return
		}
		// Method unknown: only a HEAD's answer would differ, and it has no body.
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			if bytes.Contains(request, []byte("HEAD")) {
				return
			}
			t.Fatalf("%q is answered with %q: %v", request, answers, err)
		}
		body, err := io.ReadAll(resp.Body)
		if bytes.Contains(request, []byte("HEAD")) {
			return
		}
		kind := resp.Header.Get("Content-Type")
		if err != nil || strings.HasSuffix(kind, "json") && !isJSON(body) {
			t.Fatalf("%q is answered with %s %q: %v", request, kind, body, err)
		}
	}
}

func isJSON(body []byte) bool {
	for dec := json.NewDecoder(bytes.NewReader(body)); ; {
		var v any
		if err := dec.Decode(&v); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// FuzzClient: whatever answers on the socket, the client comes back soon, with
// an error or with what was said.
func FuzzClient(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 37\r\n\r\n{\"state\":\"enforcing\",\"generation\":7}\n\n", "HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 500 No\r\n\r\n{\"error\":\"\\u001b[31mno\"}", "HTTP/1.1 301 Moved\r\nLocation: http://192.0.2.1/\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n[[[[", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/0.9 xx", "", "\x00\x00",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00", "HTTP/1.1 202 Accepted\r\n\r\n{\"links\":[{\"index\":-1}]} null 7"} {
		f.Add([]byte(s))
	}
	socket := filepath.Join(f.TempDir(), "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		f.Fatal(err)
	}
	var answer atomic.Pointer[[]byte]
	go answerAll(l, &answer)
	f.Cleanup(func() { l.Close() })
	f.Fuzz(func(t *testing.T, bytes []byte) {
		answer.Store(&bytes)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		checkClient(ctx, t, control.NewClient(socket), bytes)
		if ctx.Err() != nil {
			t.Fatalf("%q keeps the client waiting", bytes)
		}
	})
}

// answerAll reads each request's head and answers with the bytes, then hangs up.
func answerAll(l net.Listener, answer *atomic.Pointer[[]byte]) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = conn.Write(*answer.Load()) // it may have hung up
		}
		conn.Close()
	}
}

func checkClient(ctx context.Context, t *testing.T, c *control.Client, answer []byte) {
	t.Helper()
	good := bytes.HasPrefix(answer, []byte("HTTP/")) // net/http takes any version
	var got state
	errs := []error{c.Status(ctx, &got), c.Reload(ctx)}
	_, err := c.Rules(ctx, 4)
	errs = append(errs, err)
	if s, err := c.Snapshot(ctx); err == nil {
		var text bytes.Buffer
		if err := s.WriteJSON(&text); err != nil {
			t.Fatalf("a snapshot that cannot be written: %v", err)
		}
	} else {
		errs = append(errs, err)
	}
	lines := 0
	errs = append(errs, control.Denied(ctx, c, control.DeniedQuery{Past: true}, func(state) error { lines++; return nil }))
	if lines > len(answer) {
		t.Fatalf("%d lines out of %d bytes", lines, len(answer))
	}
	for _, err := range errs {
		switch {
		case err == nil && !good:
			t.Fatalf("%q was taken for an answer", answer)
		case err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' && r != '\t' }):
			t.Fatalf("the error %q of %q would move a terminal's cursor", err, answer)
		}
	}
}
