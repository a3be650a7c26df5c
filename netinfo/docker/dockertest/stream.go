package dockertest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// stream is one subscription to events.
type stream struct {
	types, actions []string

	mu    sync.Mutex
	queue [][]byte
	more  chan struct{} // has one slot
	cut   chan struct{}
	once  sync.Once
}

type message struct {
	Type, Action string
	Actor        actor
	Scope        string `json:"scope"`
	Time         int64  `json:"time"`
	TimeNano     int64  `json:"timeNano"`
}

type actor struct {
	ID         string
	Attributes map[string]string
}

// emit sends to every subscriber; the caller holds the lock.
func (e *Engine) emit(kind, action, id string, attrs map[string]string) {
	e.history = append(e.history, kind+" "+action+" "+attrs["name"])
	if e.mute {
		return
	}
	now := time.Now().Add(e.clock)
	b, err := json.Marshal(message{kind, action, actor{id, attrs}, "local", now.Unix(), now.UnixNano()})
	if err != nil {
		panic("dockertest: " + err.Error())
	}
	for s := range e.streams {
		s.push(kind, action, append(b, '\n'))
	}
}

func (s *stream) push(kind, action string, b []byte) {
	if len(s.types) > 0 && !slices.Contains(s.types, kind) || len(s.actions) > 0 && !slices.Contains(s.actions, action) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, b)
	s.wake()
}

func (s *stream) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// CutStreams ends every event stream in the middle of a message.
func (e *Engine) CutStreams() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		s.once.Do(func() { close(s.cut) })
	}
}

// Inject sends raw bytes on every event stream.
func (e *Engine) Inject(raw string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		s.mu.Lock()
		s.queue = append(s.queue, []byte(raw))
		s.wake()
		s.mu.Unlock()
	}
}

// Subscribers is how many event streams are open.
func (e *Engine) Subscribers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.streams)
}

func (e *Engine) serveEvents(w http.ResponseWriter, r *http.Request) {
	s := &stream{more: make(chan struct{}, 1), cut: make(chan struct{})}
	s.types, s.actions = filter(r, "type"), filter(r, "event")
	e.mu.Lock()
	e.streams[s] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.streams, s)
		e.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "application/json")
	flush := w.(http.Flusher).Flush
	flush()
	for {
		select {
		case <-s.more:
		case <-s.cut:
			_, _ = w.Write([]byte(`{"Type":"contai`))
			return
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
		queue := s.queue
		s.queue = nil
		s.mu.Unlock()
		for _, b := range queue {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
		flush()
	}
}

// filter reads one key of the filters parameter, {"type":{"network":true}} or
// {"type":["network"]}.
func filter(r *http.Request, name string) []string {
	raw := r.URL.Query().Get("filters")
	if raw == "" {
		return nil
	}
	var asMap map[string]map[string]bool
	if json.Unmarshal([]byte(raw), &asMap) == nil {
		var out []string
		for v := range asMap[name] {
			out = append(out, strings.ToLower(v))
		}
		return out
	}
	var asList map[string][]string
	_ = json.Unmarshal([]byte(raw), &asList)
	return asList[name]
}
