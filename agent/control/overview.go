package control

import (
	"context"
	"net/http"
)

// OverviewRoute answers GET /v1/overview with the JSON of what source returns.
func OverviewRoute[T any](source func() T) Route {
	return Route{Pattern: "GET /v1/overview", Handler: func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, source())
	}}
}

// Overview reads what is in force into the value that into points to.
func (c *Client) Overview(ctx context.Context, into any) error {
	return c.readJSON(ctx, "/v1/overview", into)
}
