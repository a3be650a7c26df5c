package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"dockwall/rules/policy"
)

// direct decodes a direct block.
func (d *decoder) direct(s *section) {
	b := &policy.Direct{
		Name: s.name, Origin: s.origin(), Ports: s.ownPorts("ports"), Via: s.interfaces("via"),
		From: s.addressList("from"), Except: s.addressList("except"),
	}
	b.To, b.Behind = s.containersOrAddresses("to")
	d.doc.Policy.Direct = append(d.doc.Policy.Direct, b)
}

// containersOrAddresses is a list in which references to containers stand beside
// addresses and references to those.
func (s *section) containersOrAddresses(name string) (sels []*policy.Selector, list policy.AddressList) {
	for _, e := range s.elements(name) {
		ref, ok := bare(e).(*hclsyntax.ScopeTraversalExpr)
		if !ok {
			list.Literals = append(list.Literals, s.prefixes(e)...)
			continue
		}
		switch ref.Traversal.RootName() {
		case "addresses":
			if a := resolve(s, ref, "addresses", s.d.addressesBy); a != nil {
				list.Refs = addReference(s, list.Refs, a, ref)
			}
		case "containers":
			if c := resolve(s, ref, "containers", s.d.containersBy); c != nil {
				sels = addReference(s, sels, c, ref)
			}
		default:
			s.fail(ref.Range(), s.neither(ref))
		}
	}
	sortByName(sels, selectorName)
	sortByName(list.Refs, addressesName)
	list.Literals = s.uniquePrefixes(name, list.Literals)
	return sels, list
}

// neither is for a reference that is to containers nor to addresses.
func (s *section) neither(e *hclsyntax.ScopeTraversalExpr) *problem {
	root, text := e.Traversal.RootName(), s.source(e)
	hint := didYouMean(root, []string{"containers", "addresses"}, func(n string) string { return n + strings.TrimPrefix(text, root) })
	for _, kind := range []string{"containers", "addresses"} {
		if _, ok := s.d.first[kind+"."+root]; ok && len(e.Traversal) == 1 {
			hint = fmt.Sprintf("Did you mean %s.%s?", kind, root)
		}
	}
	return &problem{text + " cannot be used here", sentences(hint, "Here stands containers.NAME, or "+usage("addresses")+".")}
}
