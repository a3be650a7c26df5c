package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// DeniedQuery says which part of the feed of refused packets is asked for.
type DeniedQuery struct {
	// Since leaves out what is older; zero if nothing.
	Since time.Time
	// Lines is how many lines of the past are wanted at most, the last ones;
	// negative: all that there are.
	Lines int
	// Container leaves out what has nothing to do with the container of that
	// name; empty if nothing.
	Container string
	// Past: only what has happened already.
	Past bool
}

// DeniedRoute answers GET /v1/denied with what follow yields, one JSON document
// on each line, until the client leaves. follow is to end with its context; it
// is asked for no more while the client does not read.
func DeniedRoute[T any](follow func(context.Context, DeniedQuery) iter.Seq[T]) Route {
	return Route{Pattern: "GET /v1/denied", Stream: true, Handler: func(w http.ResponseWriter, r *http.Request) {
		q, err := parseDeniedQuery(r.URL.Query())
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		rc := http.NewResponseController(w)
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.WriteHeader(http.StatusOK)
		enc := json.NewEncoder(w)
		if rc.Flush() != nil {
			return // the client has gone
		}
		for line := range follow(r.Context(), q) {
			// A reader that went away without closing must not keep its place for ever.
			if rc.SetWriteDeadline(time.Now().Add(streamTimeout)) != nil {
				return
			}
			if enc.Encode(line) != nil || rc.Flush() != nil {
				return
			}
		}
	}}
}

func parseDeniedQuery(v url.Values) (DeniedQuery, error) {
	q := DeniedQuery{Lines: -1, Container: v.Get("container"), Past: v.Get("past") != ""}
	var err error
	if s := v.Get("since"); s != "" {
		if q.Since, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return q, fmt.Errorf("since=%s: it is to be a time such as 2026-01-02T15:04:05Z", strconv.Quote(s))
		}
	}
	if s := v.Get("lines"); s != "" {
		if q.Lines, err = strconv.Atoi(s); err != nil {
			return q, fmt.Errorf("lines=%s: it is to be a number", strconv.Quote(s))
		}
	}
	return q, nil
}

func (q DeniedQuery) encode() string {
	v := url.Values{"lines": {strconv.Itoa(q.Lines)}}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if q.Container != "" {
		v.Set("container", q.Container)
	}
	if q.Past {
		v.Set("past", "1")
	}
	return v.Encode()
}

// Denied reads the feed of refused packets and calls each for every line, until
// ctx ends or each returns an error, which is returned as it is. It returns nil
// where only the past was asked for and has been told, and io.ErrUnexpectedEOF
// where the agent ended.
func Denied[T any](ctx context.Context, c *Client, q DeniedQuery, each func(T) error) error {
	body, err := c.do(ctx, http.MethodGet, "/v1/denied?"+q.encode())
	if err != nil {
		return err
	}
	defer body.Close()
	for dec := json.NewDecoder(body); ; {
		var line T
		switch err := dec.Decode(&line); {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case q.Past && errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("agentd has ended: %w", io.ErrUnexpectedEOF)
		default:
			return fmt.Errorf("reading agentd's feed: %w", err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}
