package scenario

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Condition is a set of engines: exactly one, one and all later, or all before.
type Condition struct {
	major, minor int
	kind         byte // '=', '+' or '<'
}

// ParseCondition reads "20.10", "28+" or "<28".
func ParseCondition(s string) (Condition, error) {
	c := Condition{kind: '='}
	version := s
	if rest, ok := strings.CutPrefix(version, "<"); ok {
		c.kind, version = '<', rest
	}
	if rest, ok := strings.CutSuffix(version, "+"); ok && c.kind == '=' {
		c.kind, version = '+', rest
	}
	var err error
	if c.major, c.minor, err = parseVersion(version); err != nil {
		return Condition{}, fmt.Errorf("engine %q: want 20.10, 28+ or <28", s)
	}
	return c, nil
}

// parseVersion reads "28" and "28.5".
func parseVersion(s string) (major, minor int, err error) {
	first, second, two := strings.Cut(s, ".")
	if major, err = strconv.Atoi(first); err != nil || !two {
		return major, 0, err
	}
	minor, err = strconv.Atoi(second)
	return major, minor, err
}

// Matches reports whether the engine, such as "28.5", is in the set.
func (c Condition) Matches(engine string) bool {
	major, minor, err := parseVersion(engine)
	if err != nil {
		return false
	}
	order := cmp.Or(cmp.Compare(major, c.major), cmp.Compare(minor, c.minor))
	switch c.kind {
	case '<':
		return order < 0
	case '+':
		return order >= 0
	}
	return order == 0
}

func matches(cs []Condition, engine string) bool {
	for _, c := range cs {
		if c.Matches(engine) {
			return true
		}
	}
	return len(cs) == 0
}
