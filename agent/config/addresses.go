package config

import (
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"dockwall/rules/policy"
)

// addresses decodes an addresses block: cidrs, file, or both.
func (d *decoder) addresses(s *section) {
	a := &policy.Addresses{Name: s.name, Origin: s.origin()}
	min := s.count("min")
	attrs, before := s.hcl.Body.Attributes, d.errors
	if attrs["cidrs"] == nil && attrs["file"] == nil {
		s.fail(s.hcl.DefRange(), &problem{s.title() + " has neither cidrs nor file",
			`Write cidrs = ["203.0.113.0/24"], or file = "FILE" with one CIDR per line.`})
	}
	for _, e := range s.elements("cidrs") {
		a.Prefixes = append(a.Prefixes, s.prefixes(e)...)
	}
	a.Prefixes = s.uniquePrefixes("cidrs", a.Prefixes)
	var file string
	s.checked("file", &file, checkFile)
	switch list := d.readAddresses(s, file, min); {
	case len(a.Prefixes) == 0:
		a.Prefixes = list // it is sorted, and may be long: it is shared
	default:
		a.Prefixes = policy.SortPrefixes(append(a.Prefixes, list...))
	}
	if attrs["min"] != nil && attrs["file"] == nil {
		s.fail(attrs["min"].NameRange, &problem{"min is for a file", "A list that is written here has as many entries as it has."})
	}
	if len(a.Prefixes) == 0 && d.errors == before {
		s.warn(s.hcl.DefRange(), &problem{s.title() + " holds no address", "A policy that allows only these allows no source."})
	}
	if d.addressesBy[s.name] == nil {
		d.addressesBy[s.name] = a
		d.doc.Policy.Addresses = append(d.doc.Policy.Addresses, a)
	}
}

func checkFile(name string) *problem {
	if name == "" {
		return &problem{"file is empty", "Write the name of a file beside agent.hcl, or an absolute path."}
	}
	return nil
}

// beside is the path of a file that is named in agent.hcl.
func (d *decoder) beside(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(d.dir, name)
}

// readAddresses returns the list of an addresses file: its content, or the last good
// state of it.
func (d *decoder) readAddresses(s *section, name string, min int) []netip.Prefix {
	if name == "" {
		return nil
	}
	path := d.beside(name)
	if !slices.Contains(d.files, path) {
		d.files = append(d.files, path)
	}
	rng := s.hcl.Body.Attributes["file"].Expr.Range()
	use, why, waiting := d.reader.list(path, min)
	switch {
	case use == nil:
		d.badList(s, rng, path, why)
		return nil
	case why == nil:
		return use.good.prefixes
	case waiting && !d.reader.told(path):
		return use.good.prefixes // nearly always it is over in a moment
	}
	held := Held{Block: s.address(), Path: path, Reason: why.reason(), Waiting: waiting, Entries: use.good.entries, Since: use.since}
	d.doc.Held = append(d.doc.Held, held)
	s.warn(rng, &problem{"The last good state of " + path + " is used", held.String()})
	return use.good.prefixes
}

// badList reports what is wrong with an addresses file, once.
func (d *decoder) badList(s *section, rng hcl.Range, path string, l *listing) {
	if l.problem != nil {
		s.fail(rng, l.problem)
		return
	}
	if d.badLists[path] {
		d.errors++ // the block is no better than the one for which it was reported
		return
	}
	d.badLists[path] = true
	for _, diag := range l.lines {
		diag.Context = "in " + s.title()
		d.add(diag)
	}
}
