package dockerfile

import (
	"regexp"

	"dockwall/netinfo/inventory"
)

// option is how a command is given a password as text.
type option struct {
	expr *regexp.Regexp // its second group is the password
	what string
}

// options returns how commands are given passwords. A value that begins with $ is
// filled in when the command runs, and one in < > or { } is an example.
func options() []option {
	const value = `["']?([^\s"'$<{][^\s"']*)`
	return []option{
		{regexp.MustCompile(`(\s--?(?:password|passwd|passphrase|token|secret|api-key)[= ])` + value), "a password is handed over as an option"},
		{regexp.MustCompile(`(\bcurl\b[^|;&]*\s(?:-u|--user)[= ]?["']?[^\s"':$]+:)([^\s"'$]+)`), "curl is handed a password"},
		{regexp.MustCompile(`(\becho\s+(?:-\S+\s+)*["']?[A-Za-z0-9_.-]+:)([^\s"'$|]+)["']?\s*\|\s*(?:sudo\s+)?(?:/usr/sbin/)?chpasswd`), "chpasswd is handed a password"},
		{regexp.MustCompile(`(\bsshpass\s+-p\s*)` + value), "sshpass is handed a password"},
	}
}

// passwordOption says that a command of RUN is handed a password, and in which line.
func passwordOption(all []option, s *inventory.BuildStep) (what string, line int) {
	for _, o := range all {
		if !o.expr.MatchString(s.Text) {
			continue
		}
		for _, l := range s.Lines {
			if o.expr.MatchString(" " + l.Text) {
				return o.what, l.Number
			}
		}
		return o.what, s.Line
	}
	return "", 0
}

// hidePasswords takes the passwords out of the instruction's text.
func hidePasswords(all []option, s *inventory.BuildStep) {
	for _, o := range all {
		s.Text = o.expr.ReplaceAllString(s.Text, "${1}…")
		for i := range s.Lines {
			s.Lines[i].Text = o.expr.ReplaceAllString(s.Lines[i].Text, "${1}…")
		}
	}
}
