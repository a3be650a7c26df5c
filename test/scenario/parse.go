package scenario

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// Load parses every *.txtar file of a directory, in the order of their names.
func Load(dir fs.FS) ([]Scenario, error) {
	names, err := fs.Glob(dir, "*.txtar")
	if err != nil {
		return nil, fmt.Errorf("listing scenarios: %w", err)
	}
	var all []Scenario
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("reading scenarios: %w", err)
		}
		s, err := Parse(name, text)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Parse reads one scenario; the name of the file is for its own name and for
// the errors, which say file and line.
func Parse(name string, text []byte) (Scenario, error) {
	archive := txtar.Parse(text)
	p := &parser{file: name, lines: strings.Split(string(archive.Comment), "\n")}
	p.scenario = Scenario{
		Name: strings.TrimSuffix(path.Base(name), ".txtar"),
		Host: Host{Variant: "nft"},
	}
	for _, f := range archive.Files {
		p.scenario.Files = append(p.scenario.Files, File{Name: f.Name, Text: string(f.Data)})
	}
	p.head()
	if err := p.settings(); err != nil {
		return Scenario{}, err
	}
	steps, err := p.steps(false)
	if err != nil {
		return Scenario{}, err
	}
	p.scenario.Steps = steps
	return p.scenario, p.check()
}

// parser stands at lines[at].
type parser struct {
	file     string
	lines    []string
	at       int
	scenario Scenario
	// tail are the words after the } that ended a block.
	tail []string
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", p.file, p.at+1, fmt.Errorf(format, args...))
}

// head takes the comment lines that the file begins with.
func (p *parser) head() {
	var prose []string
	for ; p.at < len(p.lines) && strings.HasPrefix(p.lines[p.at], "#"); p.at++ {
		prose = append(prose, strings.TrimSpace(strings.TrimLeft(p.lines[p.at], "#")))
	}
	p.scenario.Prose = strings.Join(prose, "\n")
	p.scenario.Traps = traps(p.scenario.Prose)
}

// traps finds the numbers in "Trap 24, 25:" and "Traps 1-3: …".
func traps(prose string) []int {
	var all []int
	for _, m := range regexp.MustCompile(`(?m)^Traps? ([0-9, -]+):`).FindAllStringSubmatch(prose, -1) {
		for part := range strings.SplitSeq(m[1], ",") {
			first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
			if !isRange {
				last = first
			}
			lo, errLo := strconv.Atoi(first)
			hi, errHi := strconv.Atoi(last)
			for n := lo; errLo == nil && errHi == nil && n <= hi; n++ {
				all = append(all, n)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// settings takes the lines that describe the host.
func (p *parser) settings() error {
	for ; p.at < len(p.lines); p.at++ {
		ws, err := words(p.lines[p.at])
		if err != nil {
			return p.errorf("%w", err)
		}
		if len(ws) == 0 {
			continue
		}
		took, err := p.setting(ws)
		if err != nil {
			return p.errorf("%w", err)
		}
		if !took {
			return nil
		}
	}
	return nil
}

func (p *parser) setting(ws []string) (took bool, err error) {
	h := &p.scenario.Host
	switch line := strings.Join(ws, " "); {
	case ws[0] == "engines":
		p.scenario.Engines, err = conditions(ws[1:])
		return true, err
	case ws[0] == "dockerd":
		h.Dockerd = strings.Join(ws[1:], " ")
	case ws[0] == "environment" && len(ws) == 2:
		h.Env = ws[1]
	case line == "variant legacy", line == "variant nft":
		h.Variant = ws[1]
	case line == "only iptables":
		h.Iptables = true
	case line == "docker forwards":
		h.DockerForwards = true
	case line == "docker later":
		h.DockerLater = true
	case line == "docker 29":
		h.Docker29 = true
	case line == "own host":
		h.Own = true
	default:
		return false, nil
	}
	return true, nil
}

func conditions(ws []string) ([]Condition, error) {
	if len(ws) == 0 {
		return nil, fmt.Errorf("which engines?")
	}
	var cs []Condition
	for _, w := range ws {
		c, err := ParseCondition(w)
		if err != nil {
			return nil, err
		}
		cs = append(cs, c)
	}
	return cs, nil
}

// steps takes lines until the end, or the } of a block.
func (p *parser) steps(block bool) ([]Step, error) {
	var all []Step
	for ; p.at < len(p.lines); p.at++ {
		ws, err := words(p.lines[p.at])
		if err != nil {
			return nil, p.errorf("%w", err)
		}
		switch {
		case len(ws) == 0:
			continue
		case block && ws[0] == "}":
			p.tail = ws[1:]
			return all, nil
		}
		step, err := p.step(ws)
		if err != nil {
			return nil, err
		}
		all = append(all, step)
	}
	if block {
		return nil, p.errorf("a { is not closed")
	}
	return all, nil
}

// step takes one line, and the lines of its block.
func (p *parser) step(ws []string) (Step, error) {
	s := Step{Line: p.at + 1}
	verb, condition, guarded := strings.Cut(ws[0], "[")
	if guarded {
		list, closed := strings.CutSuffix(condition, "]")
		cs, err := conditions(strings.Split(list, ","))
		if err != nil || !closed {
			return Step{}, p.errorf("%q: want VERB[20.10,28+]", ws[0])
		}
		s.When = cs
	}
	if verb == "flood" {
		flood, err := p.flood(ws[1:])
		s.Do = flood
		return s, err
	}
	parse, ok := verbs(verb)
	if !ok {
		return Step{}, p.errorf("there is no verb %q", verb)
	}
	action, err := parse(ws[1:])
	if err != nil {
		return Step{}, p.errorf("%s: %w", verb, err)
	}
	s.Do = action
	return s, nil
}

// flood takes "A and B during {", the block, and "} expect N".
func (p *parser) flood(ws []string) (Action, error) {
	n := len(ws)
	if n < 5 || ws[n-2] != "during" || ws[n-1] != "{" {
		return nil, p.errorf("flood: want FROM PROTO TARGET [and …] during {")
	}
	var f Flood
	for rest := ws[:n-2]; len(rest) > 0; {
		if len(rest) < 3 || len(rest) > 3 && rest[3] != "and" {
			return nil, p.errorf("flood: want FROM PROTO TARGET and FROM PROTO TARGET")
		}
		ask, err := parseAsk(rest[:3])
		if err != nil {
			return nil, p.errorf("flood: %w", err)
		}
		f.Asks = append(f.Asks, ask)
		rest = rest[min(4, len(rest)):]
	}
	p.at++
	var err error
	if f.Steps, err = p.steps(true); err != nil {
		return nil, err
	}
	if len(p.tail) != 2 || p.tail[0] != "expect" {
		return nil, p.errorf("flood: want } expect N")
	}
	if f.Through, err = strconv.Atoi(p.tail[1]); err != nil {
		return nil, p.errorf("flood: %w", err)
	}
	return f, nil
}
