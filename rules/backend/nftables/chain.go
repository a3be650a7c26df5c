package nftables

import (
	"fmt"
	"strings"

	"dockwall/rules"
)

// Chain is a chain of the table.
type Chain struct {
	Name string
	// Base is where packets enter the chain; empty if from other chains only.
	Base  rules.Base
	Rules []Rule
}

// Rule is a rule's statements, in order.
type Rule []Statement

// String is the rule as nft prints it.
func (r Rule) String() string {
	var words []string
	for _, s := range r {
		if text := s.String(); text != "" {
			words = append(words, text)
		}
	}
	return strings.Join(words, " ")
}

// Chains renders the chains, in order. The error names the first rule that cannot be
// rendered. A chain is entered from one hook at most.
func Chains(rs rules.Ruleset) ([]Chain, error) {
	base := map[string]rules.Base{}
	for _, h := range rs.Hooks {
		if !h.Latch {
			return nil, fmt.Errorf("the hook in %s is not the latch's", h.Base)
		}
		if base[h.Chain] != "" {
			return nil, fmt.Errorf("chain %s is entered from %s and %s", h.Chain, base[h.Chain], h.Base)
		}
		base[h.Chain] = h.Base
	}
	var cs []Chain
	for _, c := range rs.Chains {
		out := Chain{Name: c.Name, Base: base[c.Name]}
		for i, r := range c.Rules {
			rendered, err := render(r)
			if err != nil {
				return nil, fmt.Errorf("chain %s, rule %d: %w", c.Name, i+1, err)
			}
			out.Rules = append(out.Rules, rendered)
		}
		cs = append(cs, out)
	}
	return cs, nil
}

func render(r rules.Rule) (Rule, error) {
	var out Rule
	for _, m := range r.Match {
		ss, err := Match(m)
		if err != nil {
			return nil, err
		}
		out = append(out, ss...)
	}
	switch v := r.Verdict; v.Kind {
	case rules.Return, rules.Jump, rules.Goto:
		return append(out, Verdict{v.Kind, v.Chain}), nil
	case rules.Drop:
		return append(out, Count{}, Verdict{Kind: rules.Drop}), nil
	case rules.Unstamp:
		return append(out, SetPriority{}, Verdict{Kind: rules.Return}), nil
	}
	return nil, fmt.Errorf("the verdict %s cannot be written for nftables", r.Verdict.Kind)
}
