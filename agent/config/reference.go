package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"dockwall/rules/policy"
)

func addressesName(a *policy.Addresses) string   { return a.Name }
func interfacesName(i *policy.Interfaces) string { return i.Name }
func selectorName(c *policy.Selector) string     { return c.Name }

// usage is what to write where a reference of the kind is expected.
func usage(kind string) string {
	if kind == "addresses" {
		return `addresses.NAME, or an address in quotes: "203.0.113.0/24", "any"`
	}
	return kind + ".NAME"
}

// containers is a list of references to containers blocks.
func (s *section) containers(name string) []*policy.Selector {
	return references(s, name, "containers", s.d.containersBy, selectorName)
}

// interfaces is a list of references to interfaces blocks.
func (s *section) interfaces(name string) []*policy.Interfaces {
	return references(s, name, "interfaces", s.d.interfacesBy, interfacesName)
}

// references reads a list that holds references of one kind and nothing else.
func references[T any](s *section, attr, kind string, table map[string]*T, name func(*T) string) []*T {
	var all []*T
	for _, e := range s.elements(attr) {
		ref, ok := bare(e).(*hclsyntax.ScopeTraversalExpr)
		if !ok {
			if v, ok := s.text(e); ok {
				s.fail(e.Range(), noReference(kind, v))
			}
			continue
		}
		if t := resolve(s, ref, kind, table); t != nil {
			all = addReference(s, all, t, ref)
		}
	}
	sortByName(all, name)
	return all
}

func addReference[T any](s *section, all []*T, t *T, ref *hclsyntax.ScopeTraversalExpr) []*T {
	if slices.Contains(all, t) {
		s.warn(ref.Range(), &problem{s.source(ref) + " is there twice", "One is enough."})
		return all
	}
	return append(all, t)
}

// noReference is for a string where only references can stand.
func noReference(kind, v string) *problem {
	if quotedReference(v) {
		return quotedProblem(v)
	}
	attr, example := "names", v
	if example == "" || strings.ContainsAny(example, "\"\r\n") {
		example = "…"
	}
	if kind == "interfaces" {
		if ps, p := parseAddress(v); p == nil && len(ps) == 1 {
			attr, example = "cidrs", ps[0].String()
		}
	}
	return &problem{fmt.Sprintf("%q is not a reference to %s", v, kind),
		fmt.Sprintf("Name them in a block of their own, %s \"NAME\" { %s = [%q] }, and write %s.NAME here.", kind, attr, example, kind)}
}

// quotedReference reports whether a string reads like a reference.
func quotedReference(v string) bool {
	kind, name, ok := strings.Cut(v, ".")
	return ok && slices.Contains(kindNames(nameKinds()), kind) && hclsyntax.ValidIdentifier(name)
}

func quotedProblem(v string) *problem {
	return &problem{fmt.Sprintf("The reference %q stands in quotes", v), fmt.Sprintf("Write %s, without quotes.", v)}
}

// resolve finds the names block that a traversal refers to, or reports why
// there is none.
func resolve[T any](s *section, e *hclsyntax.ScopeTraversalExpr, kind string, table map[string]*T) *T {
	root := e.Traversal.RootName()
	if root != kind {
		s.fail(e.Range(), s.wrongRoot(e, kind))
		return nil
	}
	if len(e.Traversal) == 1 {
		s.fail(e.Range(), &problem{fmt.Sprintf("%s of which name?", kind), sentences(fmt.Sprintf("Write %s.NAME.", kind), declared(table))})
		return nil
	}
	name, ok := stepName(e.Traversal[1])
	if !ok || len(e.Traversal) > 2 {
		s.fail(e.Range(), &problem{fmt.Sprintf("%s is not a reference", s.source(e)), fmt.Sprintf("A reference has two parts: %s.NAME.", kind)})
		return nil
	}
	t, ok := table[name]
	if !ok {
		hint := didYouMean(name, slices.Sorted(maps.Keys(table)), func(n string) string { return kind + "." + n })
		s.fail(e.Range(), &problem{fmt.Sprintf("There is no %s %q", kind, name), cmp.Or(hint, declared(table))})
		return nil
	}
	s.d.used[kind+"."+name] = true
	return t
}

// wrongRoot says what is expected instead of a traversal that begins with
// something else.
func (s *section) wrongRoot(e *hclsyntax.ScopeTraversalExpr, kind string) *problem {
	root, text := e.Traversal.RootName(), s.source(e)
	names := kindNames(nameKinds())
	if slices.Contains(names, root) {
		return &problem{fmt.Sprintf("%s cannot be used here", text), sentences("Here stands "+usage(kind)+".", s.otherBlock(root))}
	}
	if root == "any" && kind == "addresses" {
		return &problem{"any is not in quotes", `Write "any".`}
	}
	for _, k := range names {
		if _, ok := s.d.first[k+"."+root]; ok && k == kind {
			return &problem{fmt.Sprintf("%s is not a reference", text), fmt.Sprintf("Did you mean %s.%s?", kind, root)}
		}
	}
	hint := didYouMean(root, []string{kind}, func(n string) string { return n + strings.TrimPrefix(text, root) })
	return &problem{fmt.Sprintf("%s is not a reference", text), sentences(hint, "Here stands "+usage(kind)+".")}
}

// otherBlock points to the block that the operator probably wanted, where
// containers are named in a place for addresses.
func (s *section) otherBlock(root string) string {
	if root != "containers" {
		return ""
	}
	switch s.kind.name {
	case "published", "egress":
		return "What containers may do among themselves is said by between."
	case "docker_api":
		return "The Docker API is opened to addresses only."
	case "swarm":
		return "The nodes of a Swarm are hosts, which addresses name."
	}
	return ""
}

func stepName(step hcl.Traverser) (string, bool) {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

// maxListed is how many names an error lists.
const maxListed = 8

func declared[T any](table map[string]*T) string {
	names := slices.Sorted(maps.Keys(table))
	switch {
	case len(names) == 0:
		return "No such block is in the file."
	case len(names) > maxListed:
		return fmt.Sprintf("There are: %s, and %d more.", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return "There are: " + strings.Join(names, ", ") + "."
}
