package dockerfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"dockwall/netinfo/inventory"
)

// Parse parses the text of a Dockerfile. It never fails: a file that BuildKit does not
// parse has the reason in Unread.
func Parse(path string, text []byte) inventory.Dockerfile {
	r := &reader{file: inventory.Dockerfile{Path: path}, secrets: inventory.NewSecrets(), options: options(), global: variables{}, lines: bytes.Split(text, []byte("\n"))}
	result, err := parser.Parse(bytes.NewReader(text))
	if err == nil {
		r.lex = shell.NewLex(result.EscapeToken)
		for _, n := range result.AST.Children {
			if err = r.node(n); err != nil {
				break
			}
		}
	}
	if err == nil && len(r.file.Stages) == 0 {
		err = errors.New("there is no FROM")
	}
	if err != nil {
		return inventory.Dockerfile{Path: path, Unread: reason(err), Line: lineOf(err, len(r.lines))}
	}
	return r.file
}

// maxStages is the most stages that a Dockerfile may have. Real ones have some ten.
const maxStages = 1000

// reader collects what the instructions of a file say.
type reader struct {
	file    inventory.Dockerfile
	secrets *inventory.Secrets
	options []option
	lex     *shell.Lex
	lines   [][]byte
	// end is the last line of the instruction that is read.
	end int
	// global are the ARGs before the first FROM, which only FROM sees; each of envs is
	// what the instructions of a stage see.
	global variables
	envs   []variables
}

func (r *reader) node(n *parser.Node) error {
	cmd, err := instructions.ParseInstruction(n)
	if err != nil {
		return parser.WithLocation(err, n.Location())
	}
	switch c := cmd.(type) {
	case *instructions.Stage:
		return r.begin(n, c)
	case instructions.Command:
		if arg, ok := c.(*instructions.ArgCommand); ok && len(r.file.Stages) == 0 {
			r.file.Args = append(r.file.Args, r.step(n, c))
			r.global.args(r.lex, arg, nil)
			return nil
		}
		if len(r.file.Stages) == 0 {
			return parser.WithLocation(errors.New("an instruction stands before the first FROM"), n.Location())
		}
		steps := []inventory.BuildStep{}
		if _, ok := c.(*instructions.OnbuildCommand); ok {
			later, err := r.onBuild(n)
			if err != nil {
				return err
			}
			steps = append(steps, later)
		} else {
			steps = append(steps, r.step(n, c))
			r.env().learn(r.lex, c, r.global)
		}
		s := &r.file.Stages[len(r.file.Stages)-1]
		s.Steps = append(s.Steps, steps...)
	}
	return nil
}

// onBuild is the instruction behind an ONBUILD.
func (r *reader) onBuild(n *parser.Node) (inventory.BuildStep, error) {
	if n.Next == nil || len(n.Next.Children) == 0 {
		return inventory.BuildStep{}, parser.WithLocation(errors.New("ONBUILD names no instruction"), n.Location())
	}
	later := *n.Next.Children[0]
	later.StartLine, later.EndLine, later.Heredocs = n.StartLine, n.EndLine, n.Heredocs
	cmd, err := instructions.ParseCommand(&later)
	if err != nil {
		return inventory.BuildStep{}, parser.WithLocation(err, n.Location())
	}
	s := r.step(&later, cmd)
	s.OnBuild = true
	return s, nil
}

// env is what the instructions of the current stage see.
func (r *reader) env() variables { return r.envs[len(r.envs)-1] }

func (r *reader) begin(n *parser.Node, c *instructions.Stage) error {
	s := inventory.BuildStage{Name: c.Name, Line: n.StartLine, Parent: -1}
	s.Base = r.image(c.BaseName, r.global)
	env := variables{}
	if len(r.file.Stages) >= maxStages {
		return fmt.Errorf("it has more than %d stages", maxStages)
	}
	if i := r.stage(s.Base.Name); i >= 0 {
		s.Parent, s.Base = i, inventory.BuildImage{}
		env = r.envs[i].inherited()
	}
	r.file.Stages, r.envs = append(r.file.Stages, s), append(r.envs, env)
	return nil
}

// stage is the index of the stage with the name; -1 if there is none.
func (r *reader) stage(name string) int {
	return slices.IndexFunc(r.file.Stages, func(s inventory.BuildStage) bool { return s.Name != "" && strings.EqualFold(s.Name, name) })
}

// image is an image's name with variables filled in.
func (r *reader) image(word string, env variables) inventory.BuildImage {
	name, unset := env.expand(r.lex, word)
	return inventory.BuildImage{Name: name, Unset: unset}
}

// copiedFrom is where COPY --from and RUN --mount=from read: an image, unless it is a
// stage, by its name or number, or the build context.
func (r *reader) copiedFrom(word string) (image inventory.BuildImage, ok bool) {
	i := r.image(word, r.env().with(r.global))
	if n, err := strconv.Atoi(i.Name); err == nil && n >= 0 && n < len(r.file.Stages) || r.stage(i.Name) >= 0 || i.Name == "" {
		return i, false
	}
	return i, true
}

// reason is why the parser refused the file, without words that it quotes.
func reason(err error) string {
	var located *parser.LocationError
	text := err.Error()
	if errors.As(err, &located) {
		text = located.Unwrap().Error()
	}
	quoted := regexp.MustCompile("[\"'`].*[\"'`]")
	text = quoted.ReplaceAllString(text, "…")
	text, _, _ = strings.Cut(text, "\n")
	// An unknown instruction is the first word of a line, which may be one of a here-document.
	if i := strings.Index(text, "unknown instruction"); i >= 0 {
		text = "unknown instruction"
	}
	return fmt.Sprintf("it is no Dockerfile that BuildKit parses: %s", cut(text, 200))
}

// cut is the text, shortened to some bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// lineOf is the line where the parser stopped.
func lineOf(err error, last int) int {
	var located *parser.LocationError
	line := 0
	if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		line = located.Locations[0][0].Start.Line
	}
	return min(cmp.Or(line, 1), max(last, 1))
}
