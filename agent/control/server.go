package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/connlimit"
)

// The bounds of a request.
const (
	maxHeader    = 16 << 10
	maxBody      = 64 << 10
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	// streamTimeout is how long a reader of a stream may read nothing: a person may
	// look at a page of it for a while.
	streamTimeout = 15 * time.Minute
	idleTimeout   = time.Minute
	// shutdownTimeout is how long answers that have begun may take to end.
	shutdownTimeout = 2 * time.Second
)

// connections are how many there may be at once. Only root can connect, so that one
// process may have all of them; those that send no request leave room for others.
var connections = connlimit.Limits{All: 256, Peer: 256, Patience: time.Second}

// streams is how many of all connections may follow a stream, so that those that do
// leave room for short answers.
func streams(all int) int { return max(1, all*7/8) }

// Route is one verb of the socket.
type Route struct {
	// Pattern is a method and a path, as http.ServeMux takes them.
	Pattern string
	Handler http.HandlerFunc
	// Stream: the answer goes on until the client leaves or the agent ends
	// (the request's context is cancelled then), with no bound on its time.
	Stream bool
}

// Server answers on the control socket.
type Server struct {
	socket   *Socket
	http     *http.Server
	listener *connlimit.Listener
}

// NewServer makes the server; it owns the socket from now on.
func NewServer(socket *Socket, log hclog.Logger, routes ...Route) *Server {
	mux := http.NewServeMux()
	limits := connections.Within()
	places := make(chan struct{}, streams(limits.All))
	for _, r := range routes {
		if r.Stream {
			r.Handler = oneOf(places, r.Handler)
		}
		mux.HandleFunc(r.Pattern, bounded(r))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, fmt.Errorf("this agent has no %s %s", r.Method, r.URL.Path))
	})
	listener := connlimit.New(socket.listener, limits)
	return &Server{socket: socket, listener: listener, http: &http.Server{
		Handler:           mux,
		ConnState:         listener.State,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}}
}

// Run answers until ctx ends, then removes the socket. It returns nil where
// ctx was the reason.
func (s *Server) Run(ctx context.Context) error {
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	// Streams end when ctx does; Shutdown alone would wait for them.
	s.http.BaseContext = func(net.Listener) context.Context { return serving }
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.listener) }()
	select {
	case err := <-ended:
		return errors.Join(fmt.Errorf("serving the control socket: %w", err), s.socket.Close())
	case <-ctx.Done():
	}
	stopping, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer stop()
	if err := s.http.Shutdown(stopping); err != nil {
		s.http.Close()
	}
	<-ended
	return s.socket.Close()
}

// oneOf has the handler take one of the places for as long as it goes on.
func oneOf(places chan struct{}, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			handler(w, r)
		default:
			writeError(w, http.StatusServiceUnavailable, fmt.Errorf("%d readers follow already: end one of them", cap(places)))
		}
	}
}

func bounded(r Route) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		req.Body = http.MaxBytesReader(w, req.Body, maxBody)
		if !r.Stream {
			// An error means a connection that cannot be bounded; it is
			// refused rather than served without end.
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
				writeError(w, http.StatusInternalServerError, err)
				return
			}
		}
		r.Handler(w, req)
	}
}

// failure is the body of an answer that is not 2xx.
type failure struct {
	Error string `json:"error"`
}

func writeError(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// The client may be gone; the error has no other reader.
	_ = json.NewEncoder(w).Encode(failure{err.Error()})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client may be gone
}
