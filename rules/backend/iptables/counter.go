package iptables

import (
	"fmt"
	"strconv"
	"strings"

	"dockwall/rules"
	"dockwall/rules/backend"
)

// ParseCounters reads the rules of dockwall's own chains of the filter and raw
// tables out of what `iptables-save -c` prints. The guard's, which only repeat
// those of filter, are left out.
func ParseCounters(text string) ([]backend.Counter, error) {
	var all []backend.Counter
	table := ""
	for text != "" {
		end := recordEnd(text)
		rec := text[:end]
		text = strings.TrimPrefix(text[end:], "\n")
		if name, ok := strings.CutPrefix(rec, "*"); ok {
			table = name
		}
		if table != tableFilter && table != tableEarly || !strings.HasPrefix(rec, "[") {
			continue
		}
		c, own, err := parseCounter(rec)
		if err != nil {
			return nil, fmt.Errorf("iptables-save -c: %q: %w", rec, err)
		}
		if own {
			all = append(all, c)
		}
	}
	return all, nil
}

// parseCounter reads "[packets:bytes] -A CHAIN rule".
func parseCounter(rec string) (c backend.Counter, own bool, err error) {
	count, rest, _ := strings.Cut(rec, " ")
	packets, bytes, ok := strings.Cut(strings.Trim(count, "[]"), ":")
	if !ok {
		return c, false, fmt.Errorf("no counters in %s", count)
	}
	if c.Packets, err = strconv.ParseUint(packets, 10, 64); err != nil {
		return c, false, err
	}
	if c.Bytes, err = strconv.ParseUint(bytes, 10, 64); err != nil {
		return c, false, err
	}
	rest, ok = strings.CutPrefix(rest, "-A "+ownChains)
	if !ok {
		return c, false, nil
	}
	chain, rule, _ := strings.Cut(rest, " ")
	c.Chain = ownChains + chain
	before := ""
	for word := range splitWords(rule) {
		switch before {
		case "--comment":
			c.ID, c.Policy = ownName(word)
		case "-j", "-g":
			c.Verdict = targetKind(before, word)
		}
		before = word
	}
	return c, c.ID != "", nil
}

// ownName reads a rule's comment: "dockwall:k3f9q published.shop".
func ownName(word string) (id, policy string) {
	if strings.HasPrefix(word, `"`) {
		word = unescape.Replace(strings.Trim(word, `"`))
	}
	text, ok := strings.CutPrefix(word, ownComment)
	if !ok {
		return "", ""
	}
	id, policy, _ = strings.Cut(text, " ")
	return id, policy
}

var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\'`, `'`)

func targetKind(option, target string) rules.VerdictKind {
	switch {
	case option == "-g":
		return rules.Goto
	case target == "RETURN":
		return rules.Return
	case target == "DROP":
		return rules.Drop
	case target == "REJECT":
		return rules.Reject
	case target == "NFLOG":
		return rules.Log
	case target == "CLASSIFY":
		return rules.Stamp
	}
	return rules.Jump
}
