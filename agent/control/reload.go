package control

import (
	"context"
	"net/http"
)

// ReloadRoute answers POST /v1/reload by having the agent read its file again.
// 202: it was asked to; whether the file is any good is in the status.
func ReloadRoute(reload func()) Route {
	return Route{Pattern: "POST /v1/reload", Handler: func(w http.ResponseWriter, _ *http.Request) {
		reload()
		w.WriteHeader(http.StatusAccepted)
	}}
}

// Reload asks the agent to read its file again. It does not wait for that.
func (c *Client) Reload(ctx context.Context) error {
	body, err := c.do(ctx, http.MethodPost, "/v1/reload")
	if err != nil {
		return err
	}
	return body.Close()
}
