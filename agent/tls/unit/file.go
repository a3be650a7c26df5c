package unit

import (
	"fmt"
	"path/filepath"
	"strings"
)

// File is a unit file, a drop-in or another text with a path.
type File struct{ Path, Text string }

// setting is one assignment in a unit file.
type setting struct {
	value string
	path  string
}

// settings returns the values of a key, in the order in which systemd reads them. An
// empty value takes back those before it.
func settings(files []File, section, key string) []setting {
	var all []setting
	for _, f := range files {
		in := ""
		for _, line := range logical(f.Text) {
			if name, ok := strings.CutPrefix(line, "["); ok {
				in = strings.TrimSuffix(name, "]")
				continue
			}
			name, value, ok := strings.Cut(line, "=")
			if !ok || in != section || strings.TrimSpace(name) != key {
				continue
			}
			if value = strings.TrimSpace(value); value == "" {
				all = nil
				continue
			}
			all = append(all, setting{value, f.Path})
		}
	}
	return all
}

// logical returns the lines without comments; a line that ends with a backslash goes on
// in the next one.
func logical(text string) []string {
	var lines []string
	open := false
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" && !open || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		rest, more := strings.CutSuffix(line, `\`)
		if open {
			lines[len(lines)-1] += " " + strings.TrimSpace(rest)
		} else {
			lines = append(lines, strings.TrimSpace(rest))
		}
		open = more
	}
	return lines
}

// Shown is what `systemctl show` prints of a unit.
type Shown struct {
	// Loaded: systemd knows the unit, and could read it.
	Loaded bool
	State  string
	// Paths are the unit's file and its drop-ins, in the order in which they are read.
	Paths []string
}

// Properties are those that ParseShown reads.
const Properties = "LoadState,FragmentPath,DropInPaths"

// ParseShown reads the output of `systemctl show --property=` Properties.
func ParseShown(text string) Shown {
	var s Shown
	var dropIns []string
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "LoadState":
			s.State, s.Loaded = value, value == "loaded"
		case "FragmentPath":
			if value != "" {
				s.Paths = append(s.Paths, value)
			}
		case "DropInPaths":
			dropIns = strings.Fields(value)
		}
	}
	s.Paths = append(s.Paths, dropIns...)
	return s
}

// EnvironmentFiles returns the paths of the service's environment files. Those with a
// leading - may be missing.
func EnvironmentFiles(files []File) []string {
	var paths []string
	for _, s := range settings(files, "Service", "EnvironmentFile") {
		paths = append(paths, strings.TrimPrefix(s.value, "-"))
	}
	return paths
}

// sorted reports whether the drop-in at path is read after the other one: systemd reads
// them by name, whatever folder they are in.
func readAfter(path, other string) bool { return filepath.Base(path) > filepath.Base(other) }

// words splits a command as systemd does: by blanks, with quotes around words.
func words(text string) ([]string, error) {
	var all []string
	var word strings.Builder
	in, quote, escaped := false, rune(0), false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			in, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			in, quote = true, r
		case r == ' ' || r == '\t':
			if in {
				all = append(all, word.String())
			}
			word.Reset()
			in = false
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote is not closed in %q", text)
	}
	if in {
		all = append(all, word.String())
	}
	return all, nil
}
