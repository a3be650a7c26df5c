package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dockwall/agent/connlimit"
)

const (
	// requestTimeout is for a request's header: a client that sends none has no use for the
	// connection. An answer may take six times as long.
	requestTimeout = 5 * time.Second
	// listenAgain is how long a port that is taken, or an address that is not
	// there yet, is left alone.
	listenAgain = 10 * time.Second
	// inFlight is how many scrapes may run at a time.
	inFlight = 4
)

// connections are how many there may be at once: the address may be one that
// everybody reaches.
var connections = connlimit.Limits{All: 64, Peer: 8}

// Run serves /metrics at the address ("host:port") until ctx ends. Where it
// cannot it says so once, and goes on trying.
func (m *Metrics) Run(ctx context.Context, address string) {
	said := ""
	for ctx.Err() == nil {
		err := m.serve(ctx, address)
		if ctx.Err() != nil {
			return
		}
		if s := err.Error(); s != said {
			said = s
			m.o.Log.Error("the metrics are not served; the firewall is not affected", "address", address, "error", err, "do", advice(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// advice is what the operator can do about it.
func advice(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "end the program that has the port (ss -tlnp names it), or name another as control.metrics and restart dockwall; until then it is tried again"
	}
	return "is control.metrics an address of this host? it is tried again"
}

func (m *Metrics) serve(ctx context.Context, address string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening for scrapes: %w", err)
	}
	m.o.Log.Info("serving metrics", "address", listener.Addr().String())
	limited := connlimit.New(listener, connections.Within())
	server := &http.Server{
		Handler: m.handler(), ConnState: limited.State,
		ReadHeaderTimeout: requestTimeout, ReadTimeout: requestTimeout, WriteTimeout: 6 * requestTimeout, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       m.o.Log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

func (m *Metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            m.o.Log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: inFlight,
	}))
	return mux
}
