package config

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dockwall/rules/policy"
)

// Settings are what the settings blocks say, defaults filled in.
type Settings struct {
	// Path is agent.hcl's path, as Load was given it.
	Path     string           `json:"path"`
	Log      LogSettings      `json:"log"`
	Docker   DockerSettings   `json:"docker"`
	Control  ControlSettings  `json:"control"`
	Firewall FirewallSettings `json:"firewall"`
}

// LogSettings is the log block.
type LogSettings struct {
	Level  string `json:"level"`  // trace, debug, info, warn, error
	Format string `json:"format"` // text, json
}

// DockerSettings is the docker block.
type DockerSettings struct {
	Host string `json:"host"` // unix:///path or tcp://host:port
}

// ControlSettings is the control block.
type ControlSettings struct {
	Socket  string `json:"socket"`  // absolute path
	Metrics string `json:"metrics"` // host:port; not served if empty
}

// FirewallSettings is the firewall block.
type FirewallSettings struct {
	Backend   string        `json:"backend"`   // auto, iptables-nft, iptables-legacy, nftables
	Sets      string        `json:"sets"`      // auto, ipset, inline
	DenyWith  string        `json:"deny_with"` // drop, reject
	LogDenied bool          `json:"log_denied"`
	Resync    time.Duration `json:"resync"`  // 1s to 1h
	OnStop    string        `json:"on_stop"` // keep, remove
}

// The bounds of resync: more often than a second would keep the machine busy
// with looking, more rarely than an hour would leave a foreign change unseen.
const (
	minResync = time.Second
	maxResync = time.Hour
)

// maxSocketPath is what the kernel's sun_path holds beside its final NUL.
const maxSocketPath = 107

// DefaultSettings are those of a file at path that says nothing.
func DefaultSettings(path string) Settings { return defaultSettings(path) }

func defaultSettings(path string) Settings {
	return Settings{
		Path:     path,
		Log:      LogSettings{Level: "info", Format: "text"},
		Docker:   DockerSettings{Host: "unix:///var/run/docker.sock"},
		Control:  ControlSettings{Socket: "/run/dockwall/agent.sock"},
		Firewall: FirewallSettings{Backend: "auto", Sets: "auto", DenyWith: "drop", LogDenied: true, Resync: 30 * time.Second, OnStop: "keep"},
	}
}

func (d *decoder) log(b *section) {
	b.enum("level", &d.doc.Settings.Log.Level, "trace", "debug", "info", "warn", "error")
	b.enum("format", &d.doc.Settings.Log.Format, "text", "json")
}

func (d *decoder) docker(b *section) {
	b.checked("host", &d.doc.Settings.Docker.Host, checkDockerHost)
}

func (d *decoder) control(b *section) {
	b.checked("socket", &d.doc.Settings.Control.Socket, checkSocket)
	b.checked("metrics", &d.doc.Settings.Control.Metrics, checkMetrics)
}

func (d *decoder) firewall(b *section) {
	f := &d.doc.Settings.Firewall
	b.enum("backend", &f.Backend, "auto", "iptables-nft", "iptables-legacy", "nftables")
	b.enum("sets", &f.Sets, "auto", "ipset", "inline")
	b.enum("deny_with", &f.DenyWith, string(policy.DenyDrop), string(policy.DenyReject))
	b.boolean("log_denied", &f.LogDenied)
	b.enum("on_stop", &f.OnStop, "keep", "remove")
	var text string
	b.checked("resync", &text, func(s string) *problem {
		v, p := parseResync(s)
		if p == nil {
			f.Resync = v
		}
		return p
	})
}

func parseResync(s string) (time.Duration, *problem) {
	return parseBetween("resync", s, minResync, maxResync)
}

// parseBetween is the attribute's duration, which has bounds.
func parseBetween(attribute, s string, least, most time.Duration) (time.Duration, *problem) {
	v, err := time.ParseDuration(s)
	if err != nil {
		detail := `A duration is a number and its unit: "30s", "5m".`
		if _, err := strconv.Atoi(s); err == nil {
			detail = fmt.Sprintf("The unit is missing. For seconds write %q.", s+"s")
		}
		return 0, &problem{fmt.Sprintf("%q is not a duration", s), detail}
	}
	if v < least || v > most {
		return 0, &problem{fmt.Sprintf("%s = %q is out of bounds", attribute, s), fmt.Sprintf("It may be %q to %q.", short(least), short(most))}
	}
	return v, nil
}

// short is a whole number of a duration's largest unit, as people write it: 1h, not 1h0m0s.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

func checkDockerHost(s string) *problem {
	const detail = `Write "unix:///var/run/docker.sock" or "tcp://127.0.0.1:2375".`
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok:
		if filepath.IsAbs(s) {
			return &problem{"The engine's address has no scheme", fmt.Sprintf("Write %q.", "unix://"+s)}
		}
		return &problem{fmt.Sprintf("%q is not an engine's address", s), detail}
	case scheme == "unix" && filepath.IsAbs(rest):
		return nil
	case scheme == "unix":
		return &problem{"The engine's socket is not an absolute path", detail}
	case scheme == "tcp":
		if checkHostPort(rest) != nil || strings.HasPrefix(rest, ":") {
			return &problem{fmt.Sprintf("%q is not tcp://host:port", s), detail}
		}
		return nil
	}
	return &problem{fmt.Sprintf("The engine cannot be reached by %q", scheme), detail}
}

func checkSocket(s string) *problem {
	switch {
	case !filepath.IsAbs(s):
		return &problem{"The control socket is not an absolute path", `Write for instance "/run/dockwall/agent.sock".`}
	case len(s) > maxSocketPath:
		return &problem{"The control socket's path is too long", fmt.Sprintf("The kernel takes %d bytes, these are %d.", maxSocketPath, len(s))}
	case strings.ContainsRune(s, 0):
		return &problem{"The control socket's path holds a NUL character", ""}
	}
	return nil
}

func checkMetrics(s string) *problem {
	if s == "" {
		return nil
	}
	return checkHostPort(s)
}

// checkHostPort wants host:port; the host may be empty (every address).
func checkHostPort(s string) *problem {
	const detail = `Write for instance "127.0.0.1:9323", "[::1]:9323", or ":9323" for every address.`
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " \t\r\n/\x00") {
		return &problem{fmt.Sprintf("%q is not host:port", s), detail}
	}
	if _, ok := parsePort(port); !ok {
		return &problem{fmt.Sprintf("%q is not a port", port), detail}
	}
	return nil
}
