package lastgood

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"dockwall/agent/config"
	"dockwall/rules/policy"
)

// format grows when a field of the policy changes its meaning: a policy
// that was kept by another version is not taken for what it does not say.
const format = 1

// file is a policy as it is kept. References between blocks
// are kept by name, so that a long list of addresses is written once.
type file struct {
	FormatVersion int             `json:"format_version"`
	Settings      config.Settings `json:"settings"`
	Policy        policy.Policy   `json:"policy"`
	// Audit is kept because what it accepts no quarantine block cuts off.
	Audit config.Audit `json:"audit,omitzero"`
}

// Write writes the document's settings and policy; what it was read from, and
// the warnings, are not kept.
func Write(w io.Writer, doc *config.Document) error {
	p := doc.Policy.Clone()
	selector := func(s *policy.Selector) *policy.Selector { return &policy.Selector{Name: s.Name} }
	rewire(&p,
		func(a *policy.Addresses) *policy.Addresses { return &policy.Addresses{Name: a.Name} },
		func(i *policy.Interfaces) *policy.Interfaces { return &policy.Interfaces{Name: i.Name} }, selector)
	if err := json.NewEncoder(w).Encode(file{format, doc.Settings, p, rewireAudit(doc.Audit, selector)}); err != nil {
		return fmt.Errorf("writing the last good policy: %w", err)
	}
	return nil
}

// Read reads what Write wrote. It refuses another format, unknown fields, and
// references to blocks that are not there.
func Read(r io.Reader) (*config.Document, error) {
	var f file
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("reading the last good policy: %w", err)
	}
	if f.FormatVersion != format {
		return nil, fmt.Errorf("reading the last good policy: it has format %d, this version knows %d", f.FormatVersion, format)
	}
	addresses, interfaces, selectors := byName(f.Policy.Addresses, func(a *policy.Addresses) string { return a.Name }),
		byName(f.Policy.Interfaces, func(i *policy.Interfaces) string { return i.Name }),
		byName(f.Policy.Containers, func(s *policy.Selector) string { return s.Name })
	var missing []string
	selector := func(s *policy.Selector) *policy.Selector { return found(selectors, s.Name, "containers", &missing) }
	f.Audit = rewireAudit(f.Audit, selector)
	rewire(&f.Policy,
		func(a *policy.Addresses) *policy.Addresses { return found(addresses, a.Name, "addresses", &missing) },
		func(i *policy.Interfaces) *policy.Interfaces {
			return found(interfaces, i.Name, "interfaces", &missing)
		},
		selector)
	if missing != nil {
		return nil, fmt.Errorf("reading the last good policy: it names %v, which it does not hold", missing)
	}
	return &config.Document{Settings: f.Settings, Policy: f.Policy, Audit: f.Audit}, nil
}

func byName[T any](all []*T, name func(*T) string) map[string]*T {
	m := make(map[string]*T, len(all))
	for _, v := range all {
		m[name(v)] = v
	}
	return m
}

func found[T any](m map[string]*T, name, kind string, missing *[]string) *T {
	v, ok := m[name]
	if !ok {
		*missing = append(*missing, kind+"."+name)
	}
	return v
}

// rewire exchanges every reference to a names block.
func rewire(p *policy.Policy, address func(*policy.Addresses) *policy.Addresses,
	via func(*policy.Interfaces) *policy.Interfaces, selector func(*policy.Selector) *policy.Selector) {
	for e := range p.Entries() {
		for l := range e.Lists() {
			l.Refs = exchanged(l.Refs, address)
		}
		for l := range e.Selectors() {
			*l = exchanged(*l, selector)
		}
		if e.Via != nil {
			*e.Via = exchanged(*e.Via, via)
		}
	}
}

// rewireAudit returns the audit block with every reference to a containers block exchanged.
func rewireAudit(a config.Audit, selector func(*policy.Selector) *policy.Selector) config.Audit {
	a.Skips = slices.Clone(a.Skips)
	for i := range a.Skips {
		a.Skips[i].Of = exchanged(a.Skips[i].Of, selector)
	}
	return a
}

func exchanged[T any](in []*T, with func(*T) *T) []*T {
	if in == nil {
		return nil
	}
	out := make([]*T, len(in))
	for i, v := range in {
		out[i] = with(v)
	}
	return out
}
