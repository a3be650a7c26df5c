package dockerfile

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"dockwall/netinfo/inventory"
)

// step is what an instruction says.
func (r *reader) step(n *parser.Node, c instructions.Command) inventory.BuildStep {
	s := inventory.BuildStep{Instruction: strings.ToUpper(n.Value), Line: n.StartLine}
	r.end = n.EndLine
	r.texts(n, &s)
	switch c := c.(type) {
	case *instructions.EnvCommand:
		for _, e := range c.Env {
			r.assigned(&s, e.Key, e.Value)
		}
	case *instructions.LabelCommand:
		for _, l := range c.Labels {
			r.assigned(&s, l.Key, l.Value)
		}
	case *instructions.ArgCommand:
		for _, a := range c.Args {
			r.argument(&s, a)
		}
	case *instructions.CopyCommand:
		r.copied(&s, c.SourcesAndDest, c.Chmod)
		if c.From != "" {
			s.FromStage = true
			r.from(&s, c.From)
		}
	case *instructions.AddCommand:
		r.copied(&s, c.SourcesAndDest, c.Chmod)
		s.Checksum = c.Checksum != ""
	case *instructions.RunCommand:
		r.run(&s, n, c)
	case *instructions.UserCommand:
		s.Value, s.Unset = r.env().expand(r.lex, c.User)
	case *instructions.ExposeCommand:
		for _, p := range c.Ports {
			port, _ := r.env().expand(r.lex, p)
			s.Ports = append(s.Ports, port)
		}
	case *instructions.HealthCheckCommand:
		s.Health = inventory.HealthSet
		if c.Health != nil && len(c.Health.Test) > 0 && c.Health.Test[0] == "NONE" {
			s.Health = inventory.HealthDisabled
		}
	}
	return s
}

// texts adds the text and lines of an instruction with commands, without what may be a
// secret. Of the others the parts are known.
func (r *reader) texts(n *parser.Node, s *inventory.BuildStep) {
	if s.Instruction != "RUN" && s.Instruction != "CMD" && s.Instruction != "ENTRYPOINT" {
		return
	}
	var text strings.Builder
	text.WriteString(n.Original)
	for _, h := range n.Heredocs {
		text.WriteString("\n" + h.Content)
	}
	m := r.secrets.Masked(text.String(), "")
	s.Text = m.Text
	if strings.Contains(m.Secret, "a private key") {
		// The lines of a key have no shape, so that all that follows is left out.
		s.Text, _, _ = strings.Cut(s.Text, "…")
		return
	}
	for i, line := range r.source(s.Line, n.EndLine) {
		s.Lines = append(s.Lines, inventory.TextLine{Number: s.Line + i, Text: r.secrets.Masked(line, "").Text})
	}
}

// source are lines of the file, from 1.
func (r *reader) source(first, last int) []string {
	var all []string
	for i := max(first, 1); i <= min(last, len(r.lines)); i++ {
		all = append(all, strings.TrimRight(string(r.lines[i-1]), "\r"))
	}
	return all
}

// lineWith is the first line of the instruction for which there is says so; its first
// line if none.
func (r *reader) lineWith(s *inventory.BuildStep, there func(line string) bool) int {
	for i, line := range r.source(s.Line, r.end) {
		if there(line) {
			return s.Line + i
		}
	}
	return s.Line
}

// assigned adds a secret if the value of ENV or LABEL may be one. Any value that fills
// in a variable with such a name is kept in the image's configuration.
func (r *reader) assigned(s *inventory.BuildStep, name, value string) {
	name = strings.Trim(name, `"'`)
	why := r.secrets.Why(name, strings.Trim(value, `"'`))
	if why == "" && strings.Contains(value, "$") && r.secrets.Why(name, "x") != "" {
		why = "it is named like one, and filled in when the image is built"
	}
	if why != "" {
		r.secret(s, name, s.Instruction+" "+name+" ("+why+")")
	}
}

// secret adds a secret to the instruction, at the line that holds the word.
func (r *reader) secret(s *inventory.BuildStep, word, what string) {
	line := r.lineWith(s, func(line string) bool { return strings.Contains(line, word) })
	s.Secrets = append(s.Secrets, inventory.SecretAt{Line: line, What: what})
}

// argument adds a secret if ARG is named like one: the value that a build is given for
// it is kept in the history of the image.
func (r *reader) argument(s *inventory.BuildStep, a instructions.KeyValuePairOptional) {
	if a.Value != nil && *a.Value != "" {
		r.assigned(s, a.Key, *a.Value)
		return
	}
	if why := r.secrets.Why(a.Key, "x"); why != "" {
		r.secret(s, a.Key, "ARG "+a.Key+" ("+why+"; the history of the image keeps its value)")
	}
}

func (r *reader) copied(s *inventory.BuildStep, c instructions.SourcesAndDest, chmod string) {
	env := r.env()
	for _, p := range c.SourcePaths {
		path, _ := env.expand(r.lex, p)
		s.Sources = append(s.Sources, path)
	}
	s.Dest, _ = env.expand(r.lex, c.DestPath)
	s.Chmod, _ = env.expand(r.lex, chmod)
	for _, h := range c.SourceContents {
		s.Inline = append(s.Inline, h.Path)
		r.content(s, h.Data)
	}
}

// content adds what in commands or a here-document may be a secret.
func (r *reader) content(s *inventory.BuildStep, text string) {
	m := r.secrets.Masked(text, "")
	if m.Secret == "" {
		return
	}
	line := r.lineWith(s, func(line string) bool { return r.secrets.Masked(line, "").Secret != "" })
	s.Secrets = append(s.Secrets, inventory.SecretAt{Line: line, What: s.Instruction + " (" + m.Secret + ")"})
}

func (r *reader) run(s *inventory.BuildStep, n *parser.Node, c *instructions.RunCommand) {
	var text strings.Builder
	text.WriteString(n.Original)
	for _, f := range c.Files {
		text.WriteString("\n" + f.Data)
	}
	r.content(s, text.String())
	if what, line := passwordOption(r.options, s); what != "" {
		if !slices.ContainsFunc(s.Secrets, func(k inventory.SecretAt) bool { return k.Line == line }) {
			s.Secrets = append(s.Secrets, inventory.SecretAt{Line: line, What: "RUN (" + what + ")"})
		}
		hidePasswords(r.options, s)
	}
	for _, m := range instructions.GetMounts(c) {
		if m.From != "" {
			r.from(s, m.From)
		}
	}
}

// from adds an image that the instruction copies from.
func (r *reader) from(s *inventory.BuildStep, word string) {
	if i, ok := r.copiedFrom(word); ok {
		s.From = append(s.From, i)
	}
}
