package main

import (
	"fmt"
	"strings"

	"dockwall/rules/finding"
)

// agentctlPage is agentctl.8; ask gives the help of a verb.
func agentctlPage(date string, ask func(args ...string) (string, error)) (string, error) {
	text, err := ask()
	if err != nil {
		return "", err
	}
	root := parseHelp(text)
	var p strings.Builder
	fmt.Fprintf(&p, ".TH AGENTCTL 8 %q dockwall \"System Administration\"\n", date)
	p.WriteString(".SH NAME\nagentctl \\- check, see and apply what agent.hcl says\n")
	p.WriteString(".SH SYNOPSIS\n.B agentctl\n.I VERB\n[\\fIflags\\fR]\n.SH DESCRIPTION\n")
	paragraphs(&p, root.about)
	p.WriteString(".SH OPTIONS\nEvery verb takes these.\n")
	list(&p, root.flags)
	p.WriteString(".SH VERBS\n")
	for _, verb := range root.verbs {
		text, err := ask(verb.name)
		if err != nil {
			return "", err
		}
		if err := verbSection(&p, verb, parseHelp(text), ask); err != nil {
			return "", err
		}
	}
	codes(&p)
	p.WriteString(tail)
	return p.String(), nil
}

// codes lists the codes of status, from the table that status itself reads.
func codes(p *strings.Builder) {
	p.WriteString(".SH CODES\nReasons why the state is degraded.\n")
	kindList(p, finding.Kind.Degrades)
	p.WriteString(".PP\nWarnings. The state is enforcing.\n")
	kindList(p, func(k finding.Kind) bool { return !k.Degrades() })
}

func kindList(p *strings.Builder, want func(finding.Kind) bool) {
	for _, k := range finding.Kinds() {
		if want(k) {
			fmt.Fprintf(p, ".TP\n.B %s\n%s. What to do: %s.\n", roff(string(k.Code)), roff(k.Means), roff(k.Fix))
		}
	}
}

// tail is what help does not say.
const tail = `.SH EXIT STATUS
.TP
.B 0
same, or fine
.TP
.B 1
differs, or not as expected
.TP
.B 2
trouble
.SH ENVIRONMENT
.TP
.B NO_COLOR
if set and not empty, no colour is used. Colour is for terminals only.
.SH FILES
.TP
.I /etc/dockwall/agent.hcl
the operator's file; see
.BR agent.hcl (5)
.TP
.I /run/dockwall/agent.sock
where agentd is asked
.TP
.I /usr/share/doc/dockwall
the manual: recipes, troubleshooting
.SH SEE ALSO
.BR agentd (8),
.BR agent.hcl (5),
.BR iptables\-save (8),
.BR ipset (8)
`

func verbSection(p *strings.Builder, verb entry, h help, ask func(args ...string) (string, error)) error {
	fmt.Fprintf(p, ".SS %s\n", roff(verb.name))
	fmt.Fprintf(p, "%s.\n", roff(strings.TrimSuffix(verb.does, ".")))
	if len(h.about) > 0 && h.about[0] != verb.does {
		p.WriteString(".PP\n")
		paragraphs(p, h.about)
	}
	list(p, h.flags)
	for _, under := range h.verbs {
		text, err := ask(verb.name, under.name)
		if err != nil {
			return err
		}
		fmt.Fprintf(p, ".TP\n.B %s %s\n%s.\n", roff(verb.name), roff(under.name), roff(strings.TrimSuffix(under.does, ".")))
		for _, flag := range parseHelp(text).flags {
			fmt.Fprintf(p, "\\fB%s\\fR: %s.\n", roff(flag.name), roff(flag.does))
		}
	}
	return nil
}

// paragraphs writes prose; what is indented stays as it stands.
func paragraphs(p *strings.Builder, all []string) {
	for i, text := range all {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		verbatim := false
		for line := range strings.SplitSeq(text, "\n") {
			indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
			if indented != verbatim {
				verbatim = indented
				p.WriteString(map[bool]string{true: ".RS\n.nf\n", false: ".fi\n.RE\n"}[verbatim])
			}
			fmt.Fprintf(p, "%s\n", roff(strings.TrimSpace(line)))
		}
		if verbatim {
			p.WriteString(".fi\n.RE\n")
		}
	}
}

func list(p *strings.Builder, entries []entry) {
	for _, e := range entries {
		fmt.Fprintf(p, ".TP\n.B %s\n%s\n", roff(e.name), roff(e.does))
	}
}

// roff keeps text from being taken for commands.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}
