package daemon

import (
	"io"
	"os"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
)

// logging is the agent's log, whose level and format follow the file.
type logging struct {
	hclog.InterceptLogger
	out  io.Writer
	now  config.LogSettings
	sink hclog.SinkAdapter
}

// newLogging begins with these settings. The lines go to out by way of a sink,
// because a logger's format cannot be changed, but its sinks can.
func newLogging(out io.Writer, s config.LogSettings) *logging {
	l := &logging{out: out, InterceptLogger: hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})}
	l.apply(s)
	return l
}

// apply goes over to other settings. One goroutine at a time.
func (l *logging) apply(s config.LogSettings) {
	if l.sink != nil && s == l.now {
		return
	}
	next := hclog.NewSinkAdapter(&hclog.LoggerOptions{
		Output:     l.out,
		Level:      hclog.LevelFromString(s.Level),
		JSONFormat: s.Format == "json",
		// The journal has its own clock.
		DisableTime: s.Format != "json" && os.Getenv("JOURNAL_STREAM") != "",
	})
	// A line in both formats is better than one in none.
	l.RegisterSink(next)
	if l.sink != nil {
		l.DeregisterSink(l.sink)
	}
	l.sink, l.now = next, s
}
