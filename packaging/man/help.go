package main

import "strings"

// help is what a command says of itself with --help, taken apart.
type help struct {
	// about are the paragraphs of prose at the head.
	about []string
	usage string
	verbs []entry
	// flags are the command's own, global those of every verb.
	flags, global []entry
}

// entry is one line of a list: a verb or a flag, and what it does.
type entry struct{ name, does string }

// parseHelp takes cobra's help text apart: prose, then sections with a heading
// that ends in a colon.
func parseHelp(text string) help {
	var h help
	section := ""
	var prose []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutSuffix(line, ":"); ok && isHeading(name) {
			section = name
			continue
		}
		indented := strings.HasPrefix(line, "  ")
		switch {
		case section == "":
			prose = append(prose, line)
		case !indented:
		case section == "Usage" && h.usage == "":
			h.usage = strings.TrimSpace(line)
		case section == "Available Commands":
			h.verbs = append(h.verbs, cut(line))
		case section == "Flags":
			h.flags = appendFlag(h.flags, line)
		case section == "Global Flags":
			h.global = appendFlag(h.global, line)
		}
	}
	for p := range strings.SplitSeq(strings.TrimSpace(strings.Join(prose, "\n")), "\n\n") {
		h.about = append(h.about, p)
	}
	return h
}

// isHeading reports whether cobra begins a section so.
func isHeading(name string) bool {
	switch name {
	case "Usage", "Aliases", "Examples", "Available Commands", "Flags", "Global Flags":
		return true
	}
	return false
}

// cut parts "  check       Parse the file" where two spaces or more stand.
func cut(line string) entry {
	name, does, _ := strings.Cut(strings.TrimSpace(line), "  ")
	return entry{strings.TrimSpace(name), strings.TrimSpace(does)}
}

// appendFlag adds a flag's line, or goes on with the one before; --help itself
// is left out.
func appendFlag(flags []entry, line string) []entry {
	e := cut(line)
	switch {
	case strings.HasPrefix(e.name, "-h, --help"):
	case strings.HasPrefix(e.name, "-"):
		return append(flags, e)
	case len(flags) > 0:
		last := &flags[len(flags)-1]
		last.does += " " + strings.TrimSpace(line)
	}
	return flags
}
