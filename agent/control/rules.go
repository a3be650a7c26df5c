package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// RulesRoute answers GET /v1/rules?family=4 with the ruleset that the agent
// wants for that family, as iptables-restore takes it.
func RulesRoute(source func(family int) (string, error)) Route {
	return Route{Pattern: "GET /v1/rules", Handler: func(w http.ResponseWriter, r *http.Request) {
		family, err := parseFamily(r.URL.Query().Get("family"))
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		text, err := source(family)
		if err != nil {
			writeError(w, http.StatusServiceUnavailable, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text) // the client may be gone
	}}
}

func parseFamily(s string) (int, error) {
	switch s {
	case "4", "":
		return 4, nil
	case "6":
		return 6, nil
	}
	return 0, fmt.Errorf("family=%s: it may be 4 or 6", strconv.Quote(s))
}

// Rules reads the ruleset that the agent wants; family is 4 or 6.
func (c *Client) Rules(ctx context.Context, family int) (string, error) {
	body, err := c.do(ctx, http.MethodGet, "/v1/rules?family="+strconv.Itoa(family))
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return "", fmt.Errorf("asking agentd for its rules: %w", err)
	}
	return string(text), nil
}
