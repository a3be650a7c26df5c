package daemon

import (
	"encoding/json"
	"strings"
	"testing"

	"dockwall/agent/config"
)

func TestLogFollowsTheFile(t *testing.T) {
	var b strings.Builder
	l := newLogging(&b, config.LogSettings{Level: "info", Format: "text"})
	sub := l.Named("loop").With("n", 1) // made before the change, as all are
	sub.Debug("quiet")
	sub.Info("first")
	if got := b.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "[INFO]  loop: first: n=1") || strings.Count(got, "\n") != 1 {
		t.Errorf("text log: %q", got)
	}
	b.Reset()
	l.apply(config.LogSettings{Level: "debug", Format: "json"})
	sub.Debug("second")
	var line map[string]any
	if err := json.Unmarshal([]byte(b.String()), &line); err != nil {
		t.Fatalf("%v: %q", err, b.String())
	}
	if line["@message"] != "second" || line["@module"] != "loop" || line["n"] != 1.0 {
		t.Errorf("JSON log: %v", line)
	}
	b.Reset()
	l.apply(config.LogSettings{Level: "error", Format: "json"})
	sub.Warn("quiet")
	if b.Len() != 0 {
		t.Errorf("level error printed %q", b.String())
	}
}
