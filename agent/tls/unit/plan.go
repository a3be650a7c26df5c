package unit

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Marker begins the first line of the drop-in.
const Marker = "# Written by agentctl tls install"

// DropIn is where the drop-in is. Its name comes after those that people choose, because
// the last one that sets ExecStart counts.
const DropIn = "/etc/systemd/system/docker.service.d/zz-dockwall-tls.conf"

// defaultConfig is dockerd's configuration file where its options name none.
const defaultConfig = "/etc/docker/daemon.json"

// Host is what Docker's units and settings on a host are.
type Host struct {
	// Service are the files of docker.service, in the order in which systemd reads
	// them; Socket those of docker.socket. A drop-in of ours among them is ignored.
	Service, Socket []File
	// Environment are the service's environment files that there are, in order.
	Environment []File
	// Config is dockerd's configuration file; no text: there is none.
	Config File
}

// Want is what dockerd is to do besides.
type Want struct {
	// Hosts are the arguments of -H: tcp://192.0.2.1:2376.
	Hosts []string
	// Flags are dockerd's options for TLS.
	Flags []string
}

// Plan is what is to be written.
type Plan struct {
	Path string
	Text string
	// Command is dockerd with all its arguments, as systemd will start it.
	Command []string
	// From is the file that ExecStart was taken from.
	From string
}

// Refusal is why nothing is written.
type Refusal struct {
	// Path is the file that it is about; empty if none.
	Path string
	// Text says what is wrong; Fix what to do.
	Text, Fix string
}

// Refused are all the reasons.
type Refused []Refusal

// Error lists the reasons, each with what to do.
func (r Refused) Error() string {
	var b strings.Builder
	for i, each := range r {
		if i > 0 {
			b.WriteString("\n")
		}
		if each.Path != "" {
			fmt.Fprintf(&b, "%s: ", each.Path)
		}
		fmt.Fprintf(&b, "%s: %s", each.Text, each.Fix)
	}
	return b.String()
}

// ConfigPath returns the path of dockerd's configuration file.
func ConfigPath(h Host) string {
	c, err := commandOf(h)
	if err != nil {
		return defaultConfig
	}
	for _, o := range options(c.expanded) {
		if o.name == "config-file" {
			return o.value
		}
	}
	return defaultConfig
}

// command is the service's present command.
type command struct {
	setting
	words, expanded []string
	// variables are the options that come out of environment variables, by variable.
	variables map[string][]option
}

// Make returns the drop-in, or a Refused.
func Make(h Host, w Want) (Plan, error) {
	c, err := commandOf(h)
	if err != nil {
		return Plan{}, err
	}
	refused := slices.Concat(c.refused(), configRefused(h.Config), socketRefused(h.Socket, c), orderRefused(h.Service), w.refused())
	if len(refused) > 0 {
		return Plan{}, Refused(refused)
	}
	var more []string
	if !slices.ContainsFunc(options(c.expanded), func(o option) bool { return o.name == "host" }) {
		more = append(more, "-H", "unix:///var/run/docker.sock") // dockerd's default, which an -H takes away
	}
	for _, host := range w.Hosts {
		more = append(more, "-H", host)
	}
	more = append(more, w.Flags...)
	text := fmt.Sprintf("%s; agentctl tls uninstall removes it.\n# ExecStart is that of %s, with what makes dockerd serve its API to clients with a certificate.\n[Service]\nExecStart=\nExecStart=%s %s\n",
		Marker, c.path, c.value, strings.Join(more, " "))
	return Plan{Path: DropIn, Text: text, Command: append(c.expanded, more...), From: c.path}, nil
}

// Ours reports whether the drop-in was written by Make.
func Ours(text string) bool { return strings.HasPrefix(text, Marker) }

// InForce reports whether dockerd is started with the drop-in's command.
func InForce(service []File) bool {
	all := settings(service, "Service", "ExecStart")
	return len(all) == 1 && all[0].path == DropIn
}

func others(files []File) []File {
	return slices.DeleteFunc(slices.Clone(files), func(f File) bool { return f.Path == DropIn })
}

func commandOf(h Host) (command, error) {
	files := others(h.Service)
	all := settings(files, "Service", "ExecStart")
	if len(all) != 1 {
		return command{}, Refused{{Text: fmt.Sprintf("docker.service has %d commands (ExecStart)", len(all)), Fix: "give it one, so that it is clear which is dockerd"}}
	}
	c := command{setting: all[0]}
	var err error
	if c.words, err = words(c.value); err != nil {
		return command{}, Refused{{c.path, "ExecStart cannot be read: " + err.Error(), "correct it"}}
	}
	if len(c.words) == 0 || !isDockerd(c.words[0]) {
		return command{}, Refused{{c.path, fmt.Sprintf("docker.service does not start dockerd, but %q", c.value), "give the program that starts dockerd the options that agentctl tls server prints"}}
	}
	c.expanded, c.variables = environmentOf(files, h.Environment).expand(c.words)
	c.expanded[0] = program(c.expanded[0])
	return c, nil
}

// refused are the options that the command has already.
func (c command) refused() []Refusal {
	var all []Refusal
	add := func(place string, o option) {
		switch {
		case o.name == "host" && isTCP(o.value):
			all = append(all, Refusal{place, "dockerd listens on " + o.value + " already", "take that -H away; install adds the address with TLS (--listen)"})
		case strings.HasPrefix(o.name, "tls"):
			all = append(all, Refusal{place, "dockerd has the option --" + o.name + " already", "take the options of TLS away there; install adds them"})
		}
	}
	for _, o := range options(c.words) {
		add(c.path, o)
	}
	for _, name := range slices.Sorted(maps.Keys(c.variables)) {
		for _, o := range c.variables[name] {
			add("the variable "+name, o)
		}
	}
	return all
}

// configRefused finds the keys that dockerd does not take both from its configuration
// file and as options.
func configRefused(f File) []Refusal {
	if strings.TrimSpace(f.Text) == "" {
		return nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(f.Text), &keys); err != nil {
		return []Refusal{{f.Path, "it is not JSON: " + err.Error(), "correct it; dockerd does not start with it"}}
	}
	var all []Refusal
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch strings.ToLower(key) {
		case "hosts", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey":
			all = append(all, Refusal{f.Path, fmt.Sprintf("it has the key %q, and dockerd does not start if an option says the same", key),
				"remove the key; install gives dockerd the options"})
		}
	}
	return all
}

// socketRefused finds TCP sockets that systemd opens for dockerd. Without TLS options
// dockerd serves them in plain text and says nothing.
func socketRefused(files []File, c command) []Refusal {
	handed := slices.ContainsFunc(options(c.expanded), func(o option) bool { return o.name == "host" && strings.HasPrefix(o.value, "fd://") })
	if !handed {
		return nil
	}
	var all []Refusal
	for _, s := range settings(files, "Socket", "ListenStream") {
		if strings.HasPrefix(s.value, "/") || strings.HasPrefix(s.value, "@") || strings.HasPrefix(s.value, "%") || strings.HasPrefix(s.value, "vsock:") {
			continue
		}
		all = append(all, Refusal{s.path, "docker.socket listens on TCP " + s.value + ", in plain text if dockerd ever starts without TLS",
			"remove the ListenStream, then systemctl daemon-reload && systemctl restart docker.socket; install has dockerd listen by itself"})
	}
	return all
}

// orderRefused finds a drop-in that sets ExecStart after ours does.
func orderRefused(service []File) []Refusal {
	var all []Refusal
	for _, f := range others(service)[min(1, len(others(service))):] {
		if len(settings([]File{f}, "Service", "ExecStart")) > 0 && readAfter(f.Path, DropIn) {
			all = append(all, Refusal{f.Path, "it sets ExecStart after " + DropIn + " does", "give it a name that comes before zz-dockwall-tls.conf"})
		}
	}
	return all
}

// harmless are the characters that neither systemd nor dockerd reads as anything else.
var harmless = regexp.MustCompile(`^[A-Za-z0-9_./:=@,\[\]-]+$`)

func (w Want) refused() []Refusal {
	var all []Refusal
	for _, word := range slices.Concat(w.Hosts, w.Flags) {
		if !harmless.MatchString(word) {
			all = append(all, Refusal{Text: fmt.Sprintf("%q has a character that systemd would read as something else", word), Fix: "use another path or address"})
		}
	}
	return all
}

// IsRefused reports whether nothing was written because of the host's settings.
func IsRefused(err error) bool {
	var r Refused
	return errors.As(err, &r)
}
