package dockerfile

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// variables are what ARG and ENV set. arg of a variable: it ends with its stage.
type variables map[string]variable

type variable struct {
	value string
	arg   bool
}

// Get implements shell.EnvGetter.
func (v variables) Get(name string) (string, bool) {
	x, ok := v[name]
	return x.value, ok
}

// Keys implements shell.EnvGetter.
func (v variables) Keys() []string { return slices.Sorted(maps.Keys(v)) }

// inherited are those that a stage hands on to one that is built on it.
func (v variables) inherited() variables {
	c := maps.Clone(v)
	maps.DeleteFunc(c, func(_ string, x variable) bool { return x.arg })
	return c
}

// with are these and others that they do not hide.
func (v variables) with(others variables) variables {
	c := maps.Clone(others)
	maps.Copy(c, v)
	return c
}

// maxValue is the longest value that is kept: ENV A=$A$A doubles one with each line.
const maxValue = 4096

// expand fills variables in. unset are those without a value, sorted.
func (v variables) expand(lex *shell.Lex, word string) (text string, unset []string) {
	text, missing, err := lex.ProcessWord(word, v)
	if err != nil || len(text) > maxValue {
		return cut(word, maxValue), []string{"one that cannot be read"}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		// A default in the word, as in ${NAME:-default}, stands in for the value.
		if !strings.Contains(word, "${"+name+":-") && !strings.Contains(word, "${"+name+"-") {
			unset = append(unset, name)
		}
	}
	return text, unset
}

// args adds those of an ARG. One without a default has the value of the ARG before the
// first FROM with its name, or none.
func (v variables) args(lex *shell.Lex, c *instructions.ArgCommand, global variables) {
	for _, a := range c.Args {
		switch {
		case a.Value != nil:
			if value, unset := v.expand(lex, *a.Value); len(unset) == 0 {
				v[a.Key] = variable{value, true}
			}
		default:
			if g, ok := global[a.Key]; ok {
				v[a.Key] = variable{g.value, true}
			}
		}
	}
}

// learn adds what the instruction sets.
func (v variables) learn(lex *shell.Lex, c instructions.Command, global variables) {
	switch c := c.(type) {
	case *instructions.ArgCommand:
		v.args(lex, c, global)
	case *instructions.EnvCommand:
		before := maps.Clone(v) // the variables of one ENV do not see each other
		for _, e := range c.Env {
			if value, unset := before.expand(lex, e.Value); len(unset) == 0 {
				v[e.Key] = variable{value: value}
			} else {
				delete(v, e.Key)
			}
		}
	}
}

var _ shell.EnvGetter = variables{}
