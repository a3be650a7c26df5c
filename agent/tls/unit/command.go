package unit

import (
	"path/filepath"
	"regexp"
	"strings"
)

// option is one of dockerd's options that matter here.
type option struct{ name, value string }

// options returns the options of dockerd that say where it listens and with what TLS,
// and the path of its configuration file.
func options(args []string) (found []option) {
	for i := 0; i < len(args); i++ {
		name, value, joined := cut(args[i])
		switch name {
		case "tls", "tlsverify":
			found = append(found, option{name, value})
		case "host", "tlscacert", "tlscert", "tlskey", "config-file":
			if !joined && i+1 < len(args) {
				i++
				value = args[i]
			}
			found = append(found, option{name, value})
		}
	}
	return found
}

// cut splits an argument as pflag does; -H may stand behind -D.
func cut(arg string) (name, value string, joined bool) {
	if long, ok := strings.CutPrefix(arg, "--"); ok {
		return strings.Cut(long, "=")
	}
	short, ok := strings.CutPrefix(arg, "-")
	short = strings.TrimLeft(short, "D")
	if !ok || !strings.HasPrefix(short, "H") {
		return "", "", false
	}
	return "host", strings.TrimPrefix(short[1:], "="), len(short) > 1
}

// isTCP reports whether dockerd's -H names a TCP socket; that is what it takes an
// address without a scheme for.
func isTCP(host string) bool {
	scheme, _, ok := strings.Cut(host, "://")
	return !ok || scheme == "tcp"
}

var variable = regexp.MustCompile(`^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$`)

// environment are the service's variables, and where each is set.
type environment map[string]setting

// environmentOf reads Environment= and the files of EnvironmentFile=, which come last.
func environmentOf(service, files []File) environment {
	env := environment{}
	for _, s := range settings(service, "Service", "Environment") {
		assignments, err := words(s.value)
		if err != nil {
			continue // systemd ignores it too
		}
		for _, a := range assignments {
			env.set(a, s.path)
		}
	}
	for _, f := range files {
		for _, line := range logical(f.Text) {
			env.set(line, f.Path)
		}
	}
	return env
}

func (e environment) set(assignment, path string) {
	if name, value, ok := strings.Cut(assignment, "="); ok {
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		e[strings.TrimSpace(name)] = setting{value, path}
	}
}

// expand returns the words with each that is a variable replaced by its value's words,
// and the options among those that came so, with the place of the variable.
func (e environment) expand(in []string) (out []string, from map[string][]option) {
	from = map[string][]option{}
	for _, w := range in {
		m := variable.FindStringSubmatch(w)
		if m == nil {
			out = append(out, w)
			continue
		}
		value := e[m[1]]
		more := strings.Fields(value.value)
		if strings.HasPrefix(w, "${") && value.value != "" {
			more = []string{value.value}
		}
		if found := options(more); len(found) > 0 {
			from[m[1]+" in "+value.path] = found
		}
		out = append(out, more...)
	}
	return out, from
}

// program returns the path of the program, without the characters by which systemd is
// told how to run it.
func program(word string) string { return strings.TrimLeft(word, "@-:+!|") }

func isDockerd(word string) bool { return filepath.Base(program(word)) == "dockerd" }
