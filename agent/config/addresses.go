package config

import (
	"path/filepath"

	"dockwall/rules/policy"
)

// addresses decodes an addresses block: cidrs, file, or both.
func (d *decoder) addresses(s *section) {
	a := &policy.Addresses{Name: s.name, Origin: s.origin()}
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
	if file != "" {
		a.Prefixes = policy.SortPrefixes(append(a.Prefixes, d.readAddresses(s, file)...))
	}
	if len(a.Prefixes) == 0 && d.errors == before {
		s.warn(s.hcl.DefRange(), &problem{s.title() + " holds no address", "A policy that allows only these allows nobody."})
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
