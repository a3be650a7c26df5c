package inventory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Daemon is how dockerd was started and configured.
type Daemon struct {
	// Args are dockerd's arguments without the program's name.
	Args Fact[[]string] `json:"args"`
	// FilePath is its configuration file. File are the settings in it, none if there is
	// no such file.
	FilePath string               `json:"file_path"`
	File     Fact[map[string]any] `json:"file"`
	// API are the TCP sockets of the API.
	API Fact[[]APISocket] `json:"api"`
	// SocketUnits are the ListenStream lines of docker.socket.
	SocketUnits Fact[[]string] `json:"socket_units"`
}

// APISocket is a TCP socket on which the engine's API answers.
type APISocket struct {
	Addr string `json:"addr"`
	Port uint16 `json:"port"`
	// TLS: encrypted. Verify: asks for a client's certificate.
	TLS    bool `json:"tls"`
	Verify bool `json:"verify"`
	// Loopback: only this host reaches it. Wide: it is bound to every address.
	Loopback bool `json:"loopback,omitempty"`
	Wide     bool `json:"wide,omitempty"`
}

// Setting is a setting of dockerd and where it was found.
type Setting struct {
	// Values are what was written; one of an object is key=value.
	Values []string
	// Where is daemon.json's path or "dockerd's arguments"; empty if not set.
	Where string
}

// Set reports whether it is written at all.
func (s Setting) Set() bool { return s.Where != "" }

// Last is the value in force of a setting that takes one; empty if it is not set.
func (s Setting) Last() string {
	if len(s.Values) == 0 {
		return ""
	}
	return s.Values[len(s.Values)-1]
}

// Bool is the setting as a switch; without it, the default.
func (s Setting) Bool(byDefault bool) bool {
	if !s.Set() {
		return byDefault
	}
	b, err := strconv.ParseBool(s.Last())
	return err != nil && byDefault || err == nil && b
}

// Setting returns a setting by its names: the flag's, and the key's in daemon.json if
// it differs. The reason is why it cannot be known; empty if it can.
func (d *Daemon) Setting(flag string, keys ...string) (s Setting, reason string) {
	if d.File.Read {
		for key, v := range d.File.Value {
			if v != nil && slices.ContainsFunc(append([]string{flag}, keys...), func(k string) bool { return strings.EqualFold(k, key) }) {
				s = Setting{append(s.Values, values(v)...), d.FilePath}
			}
		}
	}
	if d.Args.Read {
		if found := flagValues(d.Args.Value, flag); len(found) > 0 {
			s = Setting{append(s.Values, found...), "dockerd's arguments"}
		}
	}
	switch {
	case s.Set():
		return s, ""
	case !d.File.Read:
		return s, d.File.Why()
	case !d.Args.Read:
		return s, d.Args.Why()
	}
	return s, ""
}

// values are those of a key of daemon.json.
func values(v any) []string {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, fmt.Sprint(e))
		}
		return all
	case map[string]any:
		var all []string
		for k, e := range v {
			all = append(all, fmt.Sprintf("%s=%v", k, e))
		}
		slices.Sort(all)
		return all
	}
	return []string{fmt.Sprint(v)}
}

// switches are dockerd's flags that take no value of their own: what stands behind
// them is another argument.
var switches = []string{"allow-nondistributable-artifacts-all", "debug", "experimental", "icc", "init", "ip-forward", "ip-masq", "iptables",
	"ip6tables", "ipv6", "live-restore", "no-new-privileges", "raw-logs", "rootless", "selinux-enabled", "tls", "tlsverify", "userland-proxy"}

// flagValues are the values of a flag among dockerd's arguments.
func flagValues(args []string, flag string) []string {
	var all []string
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		if name != "--"+flag && name != short(flag) {
			continue
		}
		switch {
		case joined:
			all = append(all, value)
		case slices.Contains(switches, flag):
			all = append(all, "true")
		case i+1 < len(args):
			i++
			all = append(all, args[i])
		}
	}
	return all
}

// short is the flag's form of one letter.
func short(flag string) string {
	switch flag {
	case "debug":
		return "-D"
	case "host":
		return "-H"
	case "log-level":
		return "-l"
	case "storage-driver":
		return "-s"
	}
	return "--" + flag
}
