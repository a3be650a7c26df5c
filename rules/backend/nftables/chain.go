package nftables

import (
	"fmt"

	"dockwall/rules"
	"dockwall/rules/nft"
)

// LatchPriority is that of the latch's chains: right after the security table's
// (NF_IP_PRI_SECURITY, 50), which has seen every packet that filter has.
const LatchPriority = 51

// points are where the kernel calls the chains that are hooked.
var points = map[rules.Base]nft.Point{rules.BaseDockerUser: nft.Forward, rules.BaseForward: nft.Forward,
	rules.BaseInput: nft.Input, rules.BaseOutput: nft.Output, rules.BasePrerouting: nft.Prerouting}

// LatchChains renders the latch's chains, in order. The error names the first rule that
// cannot be rendered. A chain is entered from one hook at most.
func LatchChains(rs rules.Ruleset) ([]nft.Chain, error) {
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
	var cs []nft.Chain
	for _, c := range rs.Chains {
		out := nft.Chain{Name: c.Name}
		if b := base[c.Name]; b != "" {
			out.Hook = &nft.Hook{Point: points[b], Priority: LatchPriority}
		}
		for i, r := range c.Rules {
			rendered, err := latchRule(r)
			if err != nil {
				return nil, fmt.Errorf("chain %s, rule %d: %w", c.Name, i+1, err)
			}
			out.Rules = append(out.Rules, nft.Rule{Statements: rendered})
		}
		cs = append(cs, out)
	}
	return cs, nil
}

func latchRule(r rules.Rule) (nft.Statements, error) {
	var out nft.Statements
	for _, m := range r.Match {
		ss, err := Match(m)
		if err != nil {
			return nil, err
		}
		out = append(out, ss...)
	}
	switch v := r.Verdict; v.Kind {
	case rules.Return, rules.Jump, rules.Goto:
		return append(out, nft.Verdict{Kind: v.Kind, Chain: v.Chain}), nil
	case rules.Drop:
		return append(out, nft.Count{}, nft.Verdict{Kind: rules.Drop}), nil
	case rules.Unstamp:
		return append(out, nft.SetPriority{}, nft.Verdict{Kind: rules.Return}), nil
	}
	return nil, fmt.Errorf("the verdict %s cannot be written for nftables", r.Verdict.Kind)
}
