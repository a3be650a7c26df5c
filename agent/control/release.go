package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Releasing asks for a container to be let go from quarantine.
type Releasing struct {
	// Name is the container's name or ID.
	Name string `json:"name"`
}

// Released is the container that was let go.
type Released struct {
	Name string `json:"name"`
}

// ReleaseRoute answers POST /v1/release by letting a container go from quarantine. 409:
// there is none of this name.
func ReleaseRoute(release func(name string) (string, error)) Route {
	return Route{Pattern: "POST /v1/release", Handler: func(w http.ResponseWriter, r *http.Request) {
		var asked Releasing
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			writeError(w, http.StatusBadRequest, fmt.Errorf("reading the question: %w", err))
			return
		}
		answer(w, func() (Released, error) {
			name, err := release(asked.Name)
			return Released{name}, err
		})
	}}
}

// Release asks the agent to let the container with this name or ID go from quarantine.
func (c *Client) Release(ctx context.Context, name string) (Released, error) {
	var done Released
	err := c.post(ctx, "/v1/release", Releasing{name}, &done)
	return done, err
}
