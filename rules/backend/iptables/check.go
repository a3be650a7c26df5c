package iptables

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dockwall/rules"
)

const (
	// maxChainName is iptables' limit, in bytes.
	maxChainName = 28
	// maxSetName leaves room for dockwall4- in ipset's 31.
	maxSetName = 21
	// reservedChains begins the names of marker chains.
	reservedChains = ownChains + "MADE-"
	// tempSets begins the names of sets that are being filled.
	tempSets = "t-"
)

// Check returns an error that joins everything in the ruleset that iptables and ipset
// cannot write, or that would not be found again as dockwall's own.
func (b Backend) Check(want rules.Ruleset) error {
	var errs []error
	for _, c := range want.Chains {
		switch {
		case !owned(c.Name) || c.Name == ownChains || strings.HasPrefix(c.Name, reservedChains):
			errs = append(errs, fmt.Errorf("chain %q: not a name for a chain of dockwall's", c.Name))
		case len(c.Name) > maxChainName:
			errs = append(errs, fmt.Errorf("chain %q: longer than %d bytes", c.Name, maxChainName))
		}
		for i, r := range c.Rules {
			if !writable(r) {
				errs = append(errs, fmt.Errorf("chain %s, rule %d: iptables has no such rule", c.Name, i+1))
			}
		}
	}
	for _, s := range want.Sets {
		if len(s.Name) > maxSetName || strings.HasPrefix(s.Name, tempSets) {
			errs = append(errs, fmt.Errorf("set %q: not a name for a set of ipset's (at most %d bytes, not beginning with %q)", s.Name, maxSetName, tempSets))
		}
	}
	for _, h := range want.Hooks {
		if h.Latch {
			errs = append(errs, fmt.Errorf("hook %s: the latch is not iptables'", h.Base))
		}
	}
	return errors.Join(errs...)
}

// writable reports whether iptables has the rule's matches and its verdict.
func writable(r rules.Rule) bool {
	latch := func(m rules.Match) bool {
		switch m.(type) {
		case rules.Confirmed, rules.Stamped, rules.OutBridge:
			return true
		}
		return false
	}
	return slices.Contains(rules.PolicyVerdicts(), r.Verdict.Kind) && !slices.ContainsFunc(r.Match, latch)
}
