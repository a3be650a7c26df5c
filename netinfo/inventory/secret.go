package inventory

import (
	"regexp"
	"strings"
)

// shape is what a kind of secret looks like.
type shape struct {
	expr *regexp.Regexp
	what string
}

// shapes returns what secrets look like that can be told by their value.
func shapes() []shape {
	return []shape{
		{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`), "a private key"},
		{regexp.MustCompile(`\b(AKIA|ASIA)[0-9A-Z]{16}\b`), "an access key of AWS"},
		{regexp.MustCompile(`\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})`), "a token of GitHub"},
		{regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20,}`), "a token of GitLab"},
		{regexp.MustCompile(`\bxox[abprs]-[A-Za-z0-9-]{10,}`), "a token of Slack"},
		{regexp.MustCompile(`\b[sr]k_live_[A-Za-z0-9]{16,}`), "a key of Stripe"},
		{regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{35}`), "a key of Google"},
		{regexp.MustCompile(`\bnpm_[A-Za-z0-9]{36}`), "a token of npm"},
		{regexp.MustCompile(`\bdckr_pat_[A-Za-z0-9_-]{20,}`), "a token of Docker Hub"},
		{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*`), "a JSON web token"},
		{regexp.MustCompile(`[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@$]+@`), "a URL with a password"},
	}
}

// Secrets finds values that may be secrets. It is made once and used for many values.
type Secrets struct {
	shapes []shape
	files  []shape
	name   *regexp.Regexp
	assign *regexp.Regexp
}

// NewSecrets returns a finder.
func NewSecrets() *Secrets {
	return &Secrets{
		shapes: shapes(),
		files:  fileShapes(),
		name: regexp.MustCompile(`(?i)(^|[_.-])(pass(wd|word|phrase)?|[a-z]*password|pwd|secrets?|token|api_?key|private_?key|access_?key|` +
			`secret_?key|encryption_?key|credentials?)($|[_.-](key|id|value|base64|b64|[0-9]+)$)`),
		assign: regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)=("[^"]*"|'[^']*'|[^\s;&|]+)`),
	}
}

// Why says why the value of a variable may be a secret; empty if it seems to be none.
// It never holds a part of the value.
func (s *Secrets) Why(name, value string) string {
	if value == "" {
		return ""
	}
	for _, sh := range s.shapes {
		if sh.expr.MatchString(value) {
			return "it looks like " + sh.what
		}
	}
	// PWD is the working directory; a path says where a secret is kept.
	bare := strings.EqualFold(name, "PWD") || strings.EqualFold(name, "OLDPWD")
	if !bare && s.name.MatchString(name) && !harmless(value) {
		return "it is named like one"
	}
	return ""
}

// harmless reports whether a value is no secret whatever its name: a path, a switch, or
// a variable that is filled in later.
func harmless(value string) bool {
	switch strings.ToLower(value) {
	case "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null":
		return true
	}
	return strings.HasPrefix(value, "/") || strings.HasPrefix(value, "$")
}

// Variable is an entry of a container's environment, NAME=value, without its value.
func (s *Secrets) Variable(entry string) Variable {
	name, value, _ := strings.Cut(entry, "=")
	return Variable{Name: name, Secret: s.Why(name, value)}
}

// Masked is a step of an image's history without the values in it that may be secrets.
func (s *Secrets) Masked(text, comment string) Step {
	step := Step{Comment: comment}
	text = s.assign.ReplaceAllStringFunc(text, func(m string) string {
		name, value, _ := strings.Cut(m, "=")
		why := s.Why(name, strings.Trim(value, `"'`))
		if why == "" {
			return m
		}
		step.Secret = name + ": " + why
		return name + "=…"
	})
	for _, sh := range s.shapes {
		if sh.expr.MatchString(text) {
			step.Secret = "it holds what looks like " + sh.what
			text = sh.expr.ReplaceAllString(text, "…")
		}
	}
	step.Text = text
	return step
}

// InFile says which secret a text file seems to hold, by the shapes that are rare enough
// for files of any kind; empty if none.
func (s *Secrets) InFile(text []byte) string {
	for _, sh := range s.files {
		if sh.expr.Match(text) {
			return sh.what
		}
	}
	return ""
}

// fileShapes are the shapes that count in files. Documentation is full of URLs with
// passwords, and programs of the first lines of keys.
func fileShapes() []shape {
	var all []shape
	for _, sh := range shapes() {
		switch sh.what {
		case "a private key":
			sh.expr = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(?:[A-Za-z-]+: [^\n]*\s+)*[A-Za-z0-9+/=]{16}`)
		case "a URL with a password", "a JSON web token":
			continue
		}
		all = append(all, sh)
	}
	return append(all, shape{regexp.MustCompile(`"auth"\s*:\s*"[A-Za-z0-9+/=]{8,}"`), "a password of a registry"})
}
