package ruletest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// restore is iptables-restore. Every table is a transaction of its own.
func (k *Kernel) restore(r plan.RestoreTable) error {
	family := ""
	for _, f := range []iptables.Family{iptables.V4, iptables.V6} {
		if r.Tool == k.variant.Tool(f) {
			family = f.String()
		}
	}
	if family == "" {
		return fmt.Errorf("%s: command not found", r.Tool)
	}
	var cur *table
	name := ""
	touched := k.variant == iptables.Legacy // nft makes a table when something is done to it
	for i, text := range strings.Split(strings.TrimSuffix(r.Script.Body, "\n"), "\n") {
		var err error
		switch {
		case text == "" || text[0] == '#':
		case text[0] == '*':
			name = family + " " + text[1:]
			cur = k.begin(name)
		case cur == nil:
			err = errors.New("no table")
		case text == "COMMIT":
			if !r.Test && (touched || k.tables[name] != nil) {
				k.tables[name] = cur
			}
			cur = nil
		default:
			touched = true
			err = k.line(cur, text)
		}
		if err != nil {
			return fmt.Errorf("line %d failed: %q: %w", i+1, text, err)
		}
	}
	if cur != nil {
		return errors.New("no COMMIT")
	}
	return nil
}

func (k *Kernel) begin(name string) *table {
	if t := k.tables[name]; t != nil {
		return t.clone()
	}
	t := &table{chains: map[string]*chain{}}
	_, short, _ := strings.Cut(name, " ")
	for _, base := range builtins(short) {
		t.chains[base] = &chain{policy: "ACCEPT"}
	}
	return t
}

func (k *Kernel) line(t *table, text string) error {
	words, err := shellWords(text)
	if err != nil {
		return err
	}
	if strings.HasPrefix(text, ":") {
		return t.declare(strings.TrimPrefix(words[0], ":"), words[1:])
	}
	if len(words) < 2 {
		return errors.New("a word is missing")
	}
	verb, name, rest := words[0], words[1], words[2:]
	c := t.chains[name]
	if verb == "-N" {
		if c != nil {
			return errors.New("chain already exists")
		}
		t.chains[name] = &chain{policy: "-"}
		return nil
	}
	if c == nil {
		return errors.New("no such chain")
	}
	switch verb {
	case "-F":
		c.rules = nil
		return nil
	case "-X":
		return t.remove(name)
	}
	return k.edit(t, c, verb, rest)
}

func (t *table) declare(name string, rest []string) error {
	if len(name) > 28 || len(rest) != 2 {
		return errors.New("not a chain")
	}
	if c := t.chains[name]; c != nil && c.policy != "-" {
		c.policy = rest[0]
		return nil
	}
	t.chains[name] = &chain{policy: "-"}
	return nil
}

func (t *table) remove(name string) error {
	c := t.chains[name]
	if c.policy != "-" || len(c.rules) > 0 {
		return errors.New("chain is not empty, or a base chain")
	}
	for _, other := range t.chains {
		for _, r := range other.rules {
			if r.target == name {
				return errors.New("chain is in use")
			}
		}
	}
	delete(t.chains, name)
	return nil
}

func (k *Kernel) edit(t *table, c *chain, verb string, words []string) error {
	at := 0
	if verb == "-I" && len(words) > 0 {
		n, err := strconv.Atoi(words[0])
		if err != nil || n < 1 || n > len(c.rules)+1 {
			return errors.New("index of insertion too big")
		}
		at, words = n-1, words[1:]
	}
	r := rule{printed(words), target(words)}
	if verb == "-D" {
		if i := slices.IndexFunc(c.rules, isNative); i >= 0 && i <= slices.Index(c.rules, r) {
			return errors.New("parsing nftables rule failed")
		}
		i := slices.Index(c.rules, r)
		if i < 0 {
			return errors.New("does a matching rule exist in that chain?")
		}
		c.rules = slices.Delete(c.rules, i, i+1)
		return nil
	}
	if err := k.check(t, words); err != nil {
		return err
	}
	switch verb {
	case "-A":
		at = len(c.rules)
	case "-I":
	default:
		return errors.New("unknown verb")
	}
	c.rules = slices.Insert(c.rules, at, r)
	return nil
}

// check is what the kernel refuses: missing sets and chains.
func (k *Kernel) check(t *table, words []string) error {
	for i, w := range words[:max(0, len(words)-1)] {
		next := words[i+1]
		switch {
		case w == "--match-set" && k.sets[next] == nil:
			return fmt.Errorf("set %s doesn't exist", next)
		case (w == "-j" || w == "-g") && t.chains[next] == nil && !slices.Contains(targets(), next):
			return fmt.Errorf("no chain %s", next)
		case w == "--comment" && len(next) > 255:
			return errors.New("comment too long")
		}
	}
	return nil
}

func targets() []string {
	return []string{"ACCEPT", "DROP", "RETURN", "REJECT", "NFLOG", "NFQUEUE", "CLASSIFY", "LOG", "MARK", "MASQUERADE"}
}

func target(words []string) string {
	for i, w := range words {
		if (w == "-j" || w == "-g") && i+1 < len(words) {
			return words[i+1]
		}
	}
	return ""
}

// shellWords splits as iptables-restore does: blanks separate, double quotes
// hold together, a backslash in them takes the next character as it is.
func shellWords(s string) ([]string, error) {
	var out []string
	var b strings.Builder
	quoted, started := false, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quoted && c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '"':
			quoted = !quoted
			started = true
		case !quoted && (c == ' ' || c == '\t'):
			if started {
				out = append(out, b.String())
			}
			b.Reset()
			started = false
		default:
			b.WriteByte(c)
			started = true
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if started {
		out = append(out, b.String())
	}
	return out, nil
}

// printed is how iptables-save writes the words: only comments and prefixes
// are quoted.
func printed(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if i > 0 && (words[i-1] == "--comment" || words[i-1] == "--nflog-prefix") {
			out[i] = saveString(w)
		}
	}
	return strings.Join(out, " ")
}

func saveString(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if plain {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' || s[i] == '\'' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}
