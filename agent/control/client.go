package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// dialTimeout is generous for a socket on the same host: only an agent that is
// stuck takes longer.
const dialTimeout = 5 * time.Second

// Client asks the agent that listens on a socket. How long an answer may take
// is the caller's context's to say.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient makes a client; nothing is sent before it is asked something.
func NewClient(socket string) *Client {
	dialer := net.Dialer{Timeout: dialTimeout}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}}
}

// NotRunning is the error where no agent answers on the socket.
type NotRunning struct {
	Socket string
	// Stale: the socket exists, but no process answers on it.
	Stale bool
}

// Error says how to start it.
func (e *NotRunning) Error() string {
	if e.Stale {
		return fmt.Sprintf("agentd is not running: no process answers on %s; start it with systemctl start dockwall", e.Socket)
	}
	return fmt.Sprintf("agentd is not running: no socket at %s; start it with systemctl start dockwall", e.Socket)
}

// Forbidden is the error where the caller may not use the socket.
type Forbidden struct{ Socket string }

// Error says which users may.
func (e *Forbidden) Error() string {
	return fmt.Sprintf("agentd cannot be asked: %s is for root only (permission denied): run it with sudo", e.Socket)
}

// do sends a request without a body and returns the answer's body, which the
// caller closes.
func (c *Client) do(ctx context.Context, method, path string) (io.ReadCloser, error) {
	return c.send(ctx, method, path, nil)
}

// send is do, with a body.
func (c *Client) send(ctx context.Context, method, path string, question io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agentd"+path, question)
	if err != nil {
		return nil, fmt.Errorf("asking agentd: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var f failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&f); err != nil || f.Error == "" {
		return nil, fmt.Errorf("agentd answered %s %s with %s", method, path, printable(resp.Status))
	}
	return nil, &Refused{printable(f.Error)}
}

// printable replaces control characters by a space: what is told on a terminal
// must not move its cursor, whichever program answers on the socket.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// Refused is the error where the agent answers that it will not.
type Refused struct{ Why string }

// Error says why.
func (e *Refused) Error() string { return "agentd refused: " + e.Why }

func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return &NotRunning{Socket: c.socket}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &NotRunning{Socket: c.socket, Stale: true}
	case errors.Is(err, fs.ErrPermission):
		return &Forbidden{Socket: c.socket}
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("agentd does not answer on %s: %w", c.socket, context.DeadlineExceeded)
	}
	return fmt.Errorf("asking agentd: %w", err)
}

func (c *Client) readJSON(ctx context.Context, path string, into any) error {
	body, err := c.do(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("reading agentd's answer to %s: %w", path, err)
	}
	return nil
}
