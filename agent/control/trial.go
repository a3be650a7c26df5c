package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The bounds of a trial's length.
const (
	MinTrial = time.Second
	MaxTrial = 24 * time.Hour
)

// Trying asks for a trial.
type Trying struct {
	// Lasts is how long it may await its confirmation.
	Lasts time.Duration `json:"lasts_ns"`
	// Candidate is the file on trial; empty if the agent's own.
	Candidate string `json:"candidate,omitempty"`
}

// TrialRoute answers POST /v1/trial by putting a file on trial, with the JSON
// of what begin returns. It is refused (409) where that cannot be.
func TrialRoute[T any](begin func(Trying) (T, error)) Route {
	return Route{Pattern: "POST /v1/trial", Handler: func(w http.ResponseWriter, r *http.Request) {
		var t Trying
		if err := json.NewDecoder(r.Body).Decode(&t); err != nil {
			writeError(w, http.StatusBadRequest, fmt.Errorf("reading the question: %w", err))
			return
		}
		if t.Lasts < MinTrial || t.Lasts > MaxTrial {
			writeError(w, http.StatusBadRequest, fmt.Errorf("a trial lasts from %s to %s, not %s", MinTrial, MaxTrial, t.Lasts))
			return
		}
		answer(w, func() (T, error) { return begin(t) })
	}}
}

// ConfirmRoute answers POST /v1/confirm by keeping what is on trial, with the
// JSON of what confirm returns. 409: nothing is to be kept.
func ConfirmRoute[T any](confirm func() (T, error)) Route {
	return Route{Pattern: "POST /v1/confirm", Handler: func(w http.ResponseWriter, _ *http.Request) { answer(w, confirm) }}
}

// AcceptRoute answers POST /v1/accept by putting a file in force that was not
// confirmed. 409: a trial is pending.
func AcceptRoute(accept func() error) Route {
	return Route{Pattern: "POST /v1/accept", Handler: func(w http.ResponseWriter, _ *http.Request) {
		answer(w, func() (struct{}, error) { return struct{}{}, accept() })
	}}
}

func answer[T any](w http.ResponseWriter, ask func() (T, error)) {
	v, err := ask()
	if err != nil {
		writeError(w, http.StatusConflict, err)
		return
	}
	writeJSON(w, v)
}

// Try puts a file on trial and reads the answer into what into points to. It
// does not wait until it is in force.
func (c *Client) Try(ctx context.Context, t Trying, into any) error {
	return c.post(ctx, "/v1/trial", t, into)
}

// Confirm keeps what is on trial and reads the answer into what into points to.
func (c *Client) Confirm(ctx context.Context, into any) error {
	return c.post(ctx, "/v1/confirm", struct{}{}, into)
}

// Accept puts a file in force that was not confirmed. It does not wait for that.
func (c *Client) Accept(ctx context.Context) error {
	var none struct{}
	return c.post(ctx, "/v1/accept", struct{}{}, &none)
}

func (c *Client) post(ctx context.Context, path string, v, into any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("asking agentd: %w", err)
	}
	body, err := c.send(ctx, http.MethodPost, path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("reading agentd's answer to %s: %w", path, err)
	}
	return nil
}
