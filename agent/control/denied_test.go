package control_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/control"
)

// feeding serves the feed until the test ends, or stop is called.
func feeding(t *testing.T, follow func(context.Context, control.DeniedQuery) iter.Seq[int]) (c *control.Client, stop func() error) {
	t.Helper()
	path, stop := serve(t, control.DeniedRoute(follow))
	return control.NewClient(path), stop
}

func TestDeniedCarriesTheQuery(t *testing.T) {
	want := control.DeniedQuery{Since: time.Date(2026, 11, 23, 9, 0, 0, 7, time.UTC), Lines: 3, Container: "a b&c", Past: true}
	c, _ := feeding(t, func(_ context.Context, q control.DeniedQuery) iter.Seq[int] {
		if d := cmp.Diff(want, q); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		return func(yield func(int) bool) { _ = yield(1) && yield(2) }
	})
	var got []int
	err := control.Denied(t.Context(), c, want, func(n int) error { got = append(got, n); return nil })
	if d := cmp.Diff([]int{1, 2}, got); err != nil || d != "" {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
}

// Lines come as they are made, and the feed ends when the client leaves.
func TestDeniedIsLive(t *testing.T) {
	lines, gone := make(chan int), make(chan struct{})
	c, _ := feeding(t, func(ctx context.Context, _ control.DeniedQuery) iter.Seq[int] {
		return func(yield func(int) bool) {
			defer close(gone)
			for {
				select {
				case <-ctx.Done():
					return
				case n := <-lines:
					if !yield(n) {
						return
					}
				}
			}
		}
	})
	enough := errors.New("enough")
	seen := 0
	go func() { lines <- 0 }()
	err := control.Denied(t.Context(), c, control.DeniedQuery{}, func(n int) error {
		if n != seen {
			t.Errorf("got %d, want %d", n, seen)
		}
		if seen++; seen == 3 {
			return enough
		}
		go func(n int) { lines <- n }(seen)
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("the error is %v", err)
	}
	<-gone
}

func TestDeniedTellsThatTheAgentEnded(t *testing.T) {
	c, stop := feeding(t, func(ctx context.Context, _ control.DeniedQuery) iter.Seq[int] {
		return func(yield func(int) bool) {
			if yield(1) {
				<-ctx.Done()
			}
		}
	})
	told, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		<-told
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	err := control.Denied(t.Context(), c, control.DeniedQuery{}, func(int) error { close(told); return nil })
	<-stopped
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "agentd has ended") {
		t.Errorf("the error is %v", err)
	}
}

func TestDeniedRefusesNonsense(t *testing.T) {
	route := control.DeniedRoute(func(context.Context, control.DeniedQuery) iter.Seq[int] {
		t.Error("nonsense was taken for a query")
		return func(func(int) bool) {}
	})
	for _, q := range []string{"since=yesterday", "lines=many"} {
		w := httptest.NewRecorder()
		route.Handler(w, httptest.NewRequest("GET", "/v1/denied?"+q, nil))
		if name, _, _ := strings.Cut(q, "="); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), name+"=") {
			t.Errorf("%s: %d %s", q, w.Code, w.Body)
		}
	}
}

// However many follow, whoever asks for something short is answered.
func TestReadersKeepNobodyOut(t *testing.T) {
	follow := func(ctx context.Context, _ control.DeniedQuery) iter.Seq[int] {
		return func(yield func(int) bool) {
			if yield(1) {
				<-ctx.Done()
			}
		}
	}
	path, stop := serve(t, control.DeniedRoute(follow), control.StatusRoute(func() state { return state{State: "enforcing"} }))
	const more = 300 // than there are places, or connections
	answers := make(chan error, more)
	for range more {
		go func() {
			first := true
			err := control.Denied(t.Context(), control.NewClient(path), control.DeniedQuery{}, func(int) error {
				if first {
					first = false
					answers <- nil
				}
				return nil
			})
			if first {
				answers <- err
			}
		}()
	}
	following, refused := 0, 0
	for range more {
		switch err := <-answers; {
		case err == nil:
			following++
		case strings.Contains(err.Error(), "readers follow already"):
			refused++
		default:
			t.Fatal(err)
		}
	}
	var st state
	if err := control.NewClient(path).Status(t.Context(), &st); err != nil || st.State != "enforcing" {
		t.Errorf("status beside %d readers: %v, %v", following, st, err)
	}
	if following < 200 || refused == 0 {
		t.Errorf("%d follow, %d were refused", following, refused)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}
