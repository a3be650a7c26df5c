package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What a name may be at most. Names end up in rule comments, of which the
// kernel takes 255 bytes.
const (
	maxName        = 64
	maxNetworkName = 200
)

// section is one top-level block of a known kind.
type section struct {
	d    *decoder
	src  *source
	kind kind
	hcl  *hclsyntax.Block
	name string // empty for an unlabelled kind
}

// title is the block as its first line has it: published "shop".
func (s *section) title() string {
	if s.kind.label == unlabelled {
		return s.kind.name
	}
	return s.kind.name + " " + inQuotes(s.name)
}

// address is the block as a reference and as rules name it: published.shop.
func (s *section) address() string {
	if s.kind.label == unlabelled {
		return s.kind.name
	}
	return s.kind.name + "." + s.name
}

func (s *section) fail(rng hcl.Range, p *problem) { s.d.report(Error, s, rng, p) }

func (s *section) warn(rng hcl.Range, p *problem) { s.d.report(Warning, s, rng, p) }

// collect takes in the blocks of one file.
func (d *decoder) collect(src *source) {
	for _, a := range byPosition(src.body.Attributes) {
		d.report(Error, nil, a.NameRange, strayAttribute(a.Name))
	}
	all := kinds()
	for _, b := range src.body.Blocks {
		i := slices.IndexFunc(all, func(k kind) bool { return k.name == b.Type })
		if i < 0 {
			d.report(Error, nil, b.TypeRange, unknownBlock(b.Type, all))
			continue
		}
		s := &section{d: d, src: src, kind: all[i], hcl: b}
		s.checkLabels()
		s.checkFirst()
		d.sections = append(d.sections, s)
	}
}

func strayAttribute(name string) *problem {
	detail := "Attributes stand inside of blocks."
	switch within := kindsWith(name); {
	case slices.Contains(kindNames(kinds()), name):
		detail = fmt.Sprintf("%s is a block: write %s { … }, without =.", name, name)
	case len(within) > 0:
		detail = fmt.Sprintf("%s belongs into a block: %s.", name, strings.Join(within, ", "))
	}
	return &problem{fmt.Sprintf("Attribute %q outside of a block", name), detail}
}

func unknownBlock(name string, all []kind) *problem {
	names := kindNames(all)
	hint := didYouMean(name, names, itself)
	if hint == "" {
		hint = "There are: " + strings.Join(names, ", ") + "."
	}
	return &problem{fmt.Sprintf("There is no block %q", name), hint}
}

// checkLabels wants as many labels as the kind has, and takes the name.
func (s *section) checkLabels() {
	labels := s.hcl.Labels
	if s.kind.label == unlabelled {
		if len(labels) > 0 {
			s.fail(s.hcl.LabelRanges[0], &problem{s.kind.name + " takes no name", fmt.Sprintf("Write %s { … }.", s.kind.name)})
		}
		return
	}
	if len(labels) == 0 {
		s.d.report(Error, nil, s.hcl.TypeRange, &problem{s.kind.name + " needs a name", fmt.Sprintf(`Write %s "NAME" { … }.`, s.kind.name)})
		return
	}
	s.name = labels[0]
	if len(labels) > 1 {
		s.fail(s.hcl.LabelRanges[1], &problem{s.kind.name + " takes one name only", fmt.Sprintf("Write %s { … }.", s.title())})
	}
	if p := checkName(s.name, s.kind.label); p != nil {
		s.fail(s.hcl.LabelRanges[0], p)
	}
}

func checkName(name string, l labelling) *problem {
	switch l {
	case networked:
		return checkNetworkName(name)
	case checkID:
		return checkCheckID(name)
	}
	switch {
	case len(name) > maxName:
		return &problem{"The name is too long", fmt.Sprintf("A name has at most %d bytes, this one has %d.", maxName, len(name))}
	case !hclsyntax.ValidIdentifier(name):
		return &problem{fmt.Sprintf("%q cannot be a name", name),
			"A name begins with a letter and goes on with letters, digits, - and _, so that it can be referred to."}
	}
	return nil
}

// checkNetworkName refuses what the engine does, which is nearly nothing, and
// what a rule's comment cannot hold.
func checkNetworkName(name string) *problem {
	switch {
	case strings.TrimSpace(name) == "":
		return &problem{"The network's name is empty", "Write it as docker network ls shows it."}
	case len(name) > maxNetworkName:
		return &problem{"The network's name is too long", fmt.Sprintf("%d bytes are possible, this one has %d.", maxNetworkName, len(name))}
	case strings.ContainsFunc(name, unicode.IsControl):
		return &problem{"The network's name holds a control character", "Write it as docker network ls shows it."}
	}
	return nil
}

// checkFirst reports a block that is there a second time.
func (s *section) checkFirst() {
	if s.kind.label != unlabelled && len(s.hcl.Labels) == 0 {
		return
	}
	before, ok := s.d.first[s.address()]
	if !ok {
		s.d.first[s.address()] = s
		return
	}
	place := fmt.Sprintf("%s:%d", before.src.path, before.hcl.TypeRange.Start.Line)
	what := "Names are unique among all files: rename one of the two, or make one block of them."
	if s.kind.label == unlabelled {
		what = "There is one such block in all files together: make one block of the two."
	}
	s.fail(s.hcl.DefRange(), &problem{fmt.Sprintf("%s is already at %s", s.title(), place), what})
}

// checkAttributes reports what the kind does not have and what it needs.
func (s *section) checkAttributes() {
	for _, a := range byPosition(s.hcl.Body.Attributes) {
		if _, ok := s.kind.attribute(a.Name); !ok {
			s.fail(a.NameRange, s.unknownAttribute(a.Name))
		}
	}
	for _, b := range s.hcl.Body.Blocks {
		if !s.kind.nested(b.Type) {
			s.fail(b.TypeRange, s.nestedBlock(b.Type))
		}
	}
	for _, a := range s.kind.attrs {
		if a.needed != "" && s.hcl.Body.Attributes[a.name] == nil {
			s.fail(s.hcl.DefRange(), &problem{s.title() + " has no " + a.name, a.needed})
		}
	}
}

func (s *section) unknownAttribute(name string) *problem {
	names := s.kind.attributeNames()
	hint := didYouMean(name, names, itself)
	if within := kindsWith(name); hint == "" && len(within) > 0 {
		hint = fmt.Sprintf("%s belongs into: %s.", name, strings.Join(within, ", "))
	}
	if hint == "" {
		hint = "There are: " + strings.Join(names, ", ") + "."
	}
	return &problem{fmt.Sprintf("%s has no attribute %q", s.kind.name, name), hint}
}

func (s *section) nestedBlock(name string) *problem {
	if _, ok := s.kind.attribute(name); ok {
		return &problem{fmt.Sprintf("%s is an attribute, not a block", name), fmt.Sprintf("Write %s = …, with an equals sign.", name)}
	}
	if slices.Contains(kindNames(kinds()), name) {
		return &problem{fmt.Sprintf("%s cannot stand inside of %s", name, s.kind.name), "Every block stands by itself. Is a } missing before it?"}
	}
	return &problem{fmt.Sprintf("%s has no block %q", s.kind.name, name), didYouMean(name, s.kind.attributeNames(), func(n string) string { return n + " = …" })}
}

func byPosition(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	all := make([]*hclsyntax.Attribute, 0, len(attrs))
	for _, a := range attrs {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *hclsyntax.Attribute) int {
		return cmp.Compare(a.SrcRange.Start.Byte, b.SrcRange.Start.Byte)
	})
	return all
}
