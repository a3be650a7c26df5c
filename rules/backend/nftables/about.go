package nftables

import (
	"regexp"
	"strconv"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/nft"
)

// about is what a rule's comment says.
type about struct {
	subject, file, id string
	line              int
}

var written = regexp.MustCompile(`^(?:(.*?) ??)(?:(\S+):([0-9]+) )?([a-z2-7]{5})$`)

// parseComment reads what comment writes; it is empty for a rule that is not dockwall's.
func parseComment(text string) about {
	m := written.FindStringSubmatch(text)
	if m == nil {
		return about{}
	}
	line, _ := strconv.Atoi(m[3])
	return about{m[1], m[2], m[4], line}
}

func (a about) origin() rules.Origin {
	return rules.Origin{Subject: rules.ParseSubject(a.subject), File: a.file, Line: a.line}
}

// CounterOf is the counter of a rule in a chain of dockwall's table, without its figures.
// ok is false for a rule that none counts: another program wrote it, or it is the one by
// which packets enter.
func CounterOf(chain string, r nft.Rule) (c backend.Counter, ok bool) {
	a := parseComment(r.Comment)
	if a.id == "" || bases[chain] != "" || len(r.Statements) == 0 {
		return c, false
	}
	kind, ok := kindOf(r.Statements[len(r.Statements)-1])
	return backend.Counter{Chain: chain, ID: a.id, Policy: a.subject, Verdict: kind}, ok
}

// kindOf is the verdict that a rule's last statement gives.
func kindOf(s nft.Statement) (rules.VerdictKind, bool) {
	switch s := s.(type) {
	case nft.Verdict:
		return s.Kind, true
	case nft.Log:
		return rules.Log, true
	case nft.Reject:
		return rules.Reject, true
	case nft.SetPriority:
		return rules.Stamp, s.Priority == rules.StampClass
	}
	return "", false
}
