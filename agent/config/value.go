package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// enum takes one of the words into target; an attribute that is left out
// leaves it as it is.
func (s *section) enum(name string, target *string, words ...string) {
	s.checked(name, target, func(v string) *problem {
		if slices.Contains(words, v) {
			return nil
		}
		hint := didYouMean(v, words, inQuotes)
		if hint == "" {
			hint = fmt.Sprintf("It may be %s.", alternatives(words))
		}
		return &problem{fmt.Sprintf("%s cannot be %q", name, v), hint}
	})
}

func alternatives(words []string) string {
	last := len(words) - 1
	return `"` + strings.Join(words[:last], `", "`) + `" or "` + words[last] + `"`
}

// checked takes a string that check has nothing against.
func (s *section) checked(name string, target *string, check func(string) *problem) {
	a := s.hcl.Body.Attributes[name]
	if a == nil {
		return
	}
	v, ok := s.text(a.Expr)
	if !ok {
		return
	}
	if p := check(v); p != nil {
		s.fail(a.Expr.Range(), p)
		return
	}
	*target = v
}

// boolean takes true or false; in quotes they are taken too, as all HashiCorp
// tools do.
func (s *section) boolean(name string, target *bool) {
	var v string
	s.enum(name, &v, "true", "false")
	if v != "" {
		*target = v == "true"
	}
}

// maxCount is the greatest number that count reads.
const maxCount = maxAddresses

// count is a whole number from 1; 0 where the attribute is left out or wrong.
func (s *section) count(name string) int {
	n := 0
	var v string
	s.checked(name, &v, func(v string) *problem {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 1 || n > maxCount {
			n = 0
			return &problem{fmt.Sprintf("%s cannot be %q", name, v), fmt.Sprintf("It is a whole number from 1 to %d.", maxCount)}
		}
		return nil
	})
	return n
}

// elements is what stands in a list. It is nil, and the reason reported, where
// the value is no list or an empty one.
func (s *section) elements(name string) []hclsyntax.Expression {
	a := s.hcl.Body.Attributes[name]
	if a == nil {
		return nil
	}
	list, ok := bare(a.Expr).(*hclsyntax.TupleConsExpr)
	if !ok {
		s.fail(a.Expr.Range(), s.noList(name, bare(a.Expr)))
		return nil
	}
	if len(list.Exprs) > 0 {
		return list.Exprs
	}
	if known, _ := s.kind.attribute(name); known.empty != "" {
		s.fail(a.Expr.Range(), &problem{name + " is an empty list", known.empty})
	}
	return nil
}

func (s *section) noList(name string, e hclsyntax.Expression) *problem {
	switch e.(type) {
	case *hclsyntax.TemplateExpr, *hclsyntax.LiteralValueExpr, *hclsyntax.ScopeTraversalExpr, *hclsyntax.BinaryOpExpr:
		if text := s.source(e); !strings.ContainsAny(text, "\r\n") && text != "null" {
			return &problem{name + " is a list", fmt.Sprintf("Write %s = [%s], with brackets.", name, text)}
		}
	case *hclsyntax.ForExpr:
		return &problem{"for expressions are not possible here", "Write the values out, or keep addresses in an addresses file."}
	}
	return &problem{name + " is a list", fmt.Sprintf("Write %s = [ … ], or leave it out.", name)}
}

// texts is a list of strings that check has nothing against, sorted and
// without duplicates.
func (s *section) texts(name string, check func(string) *problem) []string {
	var all []string
	seen := map[string]bool{}
	for _, e := range s.elements(name) {
		v, ok := s.text(e)
		if !ok {
			continue
		}
		if p := check(v); p != nil {
			s.fail(e.Range(), p)
			continue
		}
		if seen[v] {
			s.warn(e.Range(), &problem{fmt.Sprintf("%q is there twice", v), "One is enough."})
			continue
		}
		seen[v] = true
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}

// text is the expression's value as a string. Numbers, true and false are
// taken as they are written, as all HashiCorp tools do. What is not a plain
// value is reported.
func (s *section) text(e hclsyntax.Expression) (string, bool) {
	e = bare(e)
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		if !e.Val.IsNull() {
			return s.source(e), true
		}
	case *hclsyntax.UnaryOpExpr:
		if _, ok := e.Val.(*hclsyntax.LiteralValueExpr); ok {
			return s.source(e), true
		}
	case *hclsyntax.TemplateExpr:
		if v, ok := literalString(e); ok {
			return v, true
		}
	}
	s.fail(e.Range(), s.noValue(e))
	return "", false
}

// literalString is the value of a string nothing is inserted into.
func literalString(e *hclsyntax.TemplateExpr) (string, bool) {
	for _, part := range e.Parts {
		l, ok := part.(*hclsyntax.LiteralValueExpr)
		if !ok || l.Val.Type() != cty.String {
			return "", false // "${1}" is a literal too
		}
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// noValue says why an expression is not a plain value.
func (s *section) noValue(e hclsyntax.Expression) *problem {
	text := s.source(e)
	const plainly = "Write the value itself, in quotes."
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return &problem{"null is no value", "Leave the attribute out, or write a value."}
	case *hclsyntax.ScopeTraversalExpr:
		if root := e.Traversal.RootName(); slices.Contains(kindNames(nameKinds()), root) && len(e.Traversal) > 1 {
			return &problem{fmt.Sprintf("%s cannot be used here", text), "Here stands a value in quotes, not a reference."}
		}
		return &problem{fmt.Sprintf("%s is not in quotes", text), fmt.Sprintf("Write %q.", text)}
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		return &problem{"Nothing can be inserted into a string here", "There are no variables: ${ } and %{ } have no meaning. " + plainly}
	case *hclsyntax.FunctionCallExpr:
		return &problem{fmt.Sprintf("There is no function %s", e.Name), "There are no functions at all. " + plainly}
	case *hclsyntax.BinaryOpExpr, *hclsyntax.UnaryOpExpr:
		if strings.ContainsAny(text, "\r\n\"") {
			return &problem{"Nothing is calculated here", plainly}
		}
		return &problem{"Nothing is calculated here", fmt.Sprintf("The value needs quotes: %q.", text)}
	case *hclsyntax.TupleConsExpr:
		return &problem{"A single value is expected, not a list", ""}
	case *hclsyntax.ObjectConsExpr:
		return &problem{"A single value is expected, not a map", ""}
	}
	return &problem{"Only plain values are possible here", "There are no variables, conditions or loops. " + plainly}
}

// source is the expression as it is written.
func (s *section) source(e hclsyntax.Expression) string {
	r := e.Range()
	if r.Start.Byte > r.End.Byte || r.End.Byte > len(s.src.bytes) {
		return ""
	}
	return string(s.src.bytes[r.Start.Byte:r.End.Byte])
}

// bare takes the parentheses off.
func bare(e hclsyntax.Expression) hclsyntax.Expression {
	for {
		p, ok := e.(*hclsyntax.ParenthesesExpr)
		if !ok {
			return e
		}
		e = p.Expression
	}
}
