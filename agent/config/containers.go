package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"dockwall/rules/policy"
)

// containers decodes a containers block.
func (d *decoder) containers(s *section) {
	c := &policy.Selector{Name: s.name, Origin: s.origin(),
		Names:    s.texts("names", checkContainerGlob),
		Images:   s.texts("images", checkImageGlob),
		Labels:   s.labels("labels"),
		Networks: s.texts("networks", checkNetworkName),
	}
	for _, v := range s.texts("compose", checkCompose) {
		project, service, _ := strings.Cut(v, "/")
		c.Compose = append(c.Compose, policy.Compose{Project: project, Service: service})
	}
	if len(s.hcl.Body.Attributes) == 0 {
		s.fail(s.hcl.DefRange(), &problem{s.title() + " says nothing about the containers",
			`Give at least one of names, images, labels, networks, compose. Every container is names = ["*"].`})
	}
	if d.containersBy[s.name] == nil {
		d.containersBy[s.name] = c
		d.doc.Policy.Containers = append(d.doc.Policy.Containers, c)
	}
}

var (
	containerGlob = regexp.MustCompile(`^[a-zA-Z0-9_.*?-]+$`)
	composeGlob   = regexp.MustCompile(`^[a-zA-Z0-9_.*?-]+/[a-zA-Z0-9_.*?-]+$`)
)

// checkContainerGlob takes what can match a container's name at all: the
// engine allows letters, digits, _ . and -.
func checkContainerGlob(v string) *problem {
	const usage = `Write for instance "web-1", or "web-*": * stands for anything, ? for one character.`
	switch {
	case v == "":
		return &problem{"A container's name is empty", usage}
	case strings.HasPrefix(v, "/"):
		return &problem{fmt.Sprintf("%q begins with a slash", v), fmt.Sprintf("Write %q, as docker ps shows it.", strings.TrimLeft(v, "/"))}
	case !containerGlob.MatchString(v):
		return &problem{fmt.Sprintf("No container can be called %q", v), usage}
	}
	return nil
}

func checkImageGlob(v string) *problem {
	const usage = `Write it as docker ps shows it: "nginx:1.27", or "nginx:*".`
	switch {
	case v == "":
		return &problem{"An image's name is empty", usage}
	case strings.ContainsAny(v, `[]{}()^$|\"`) || strings.ContainsFunc(v, unicode.IsSpace) || strings.ContainsFunc(v, unicode.IsControl):
		return &problem{fmt.Sprintf("No image can be called %q", v), usage}
	}
	return nil
}

func checkCompose(v string) *problem {
	const usage = `Write "PROJECT/SERVICE"; for every service of a project "shop/*".`
	switch {
	case composeGlob.MatchString(v):
		return nil
	case v != "" && !strings.Contains(v, "/") && containerGlob.MatchString(v):
		return &problem{fmt.Sprintf("%q has no service", v), fmt.Sprintf("For every service of the project write %q.", v+"/*")}
	}
	return &problem{fmt.Sprintf("%q is not a compose service", v), usage}
}

// labels is a map of label to glob, sorted by label.
func (s *section) labels(name string) []policy.LabelMatch {
	a := s.hcl.Body.Attributes[name]
	if a == nil {
		return nil
	}
	m, ok := bare(a.Expr).(*hclsyntax.ObjectConsExpr)
	if !ok {
		s.fail(a.Expr.Range(), &problem{name + " is a map", `Write labels = { tier = "front*" }.`})
		return nil
	}
	if len(m.Items) == 0 {
		known, _ := s.kind.attribute(name)
		s.fail(a.Expr.Range(), &problem{name + " is empty", known.empty})
	}
	var all []policy.LabelMatch
	for _, item := range m.Items {
		key, okKey := s.labelKey(item.KeyExpr)
		value, okValue := s.text(item.ValueExpr)
		if !okKey || !okValue {
			continue
		}
		if slices.ContainsFunc(all, func(l policy.LabelMatch) bool { return l.Key == key }) {
			s.fail(item.KeyExpr.Range(), &problem{fmt.Sprintf("Label %q is there twice", key), "A label has one value. Use a glob, or a second containers block."})
			continue
		}
		all = append(all, policy.LabelMatch{Key: key, Value: value})
	}
	slices.SortFunc(all, func(a, b policy.LabelMatch) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// labelKey is the name before the equals sign: a word, or a string.
func (s *section) labelKey(e hclsyntax.Expression) (string, bool) {
	if word := hcl.ExprAsKeyword(e); word != "" {
		return word, true
	}
	key, ok := e.(*hclsyntax.ObjectConsKeyExpr)
	if ok {
		if t, isString := bare(key.Wrapped).(*hclsyntax.TemplateExpr); isString {
			v, plain := literalString(t)
			if plain && v != "" {
				return v, true
			}
		}
	}
	text := s.source(e)
	detail := "Write a label's name in quotes."
	if text != "" && !strings.ContainsAny(text, "\"\r\n") {
		detail = fmt.Sprintf("Write it in quotes: %q.", text)
	}
	s.fail(e.Range(), &problem{"This is not a label's name", detail})
	return "", false
}
