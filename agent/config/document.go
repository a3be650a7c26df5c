package config

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"dockwall/rules"
	"dockwall/rules/policy"
)

// dropIns is the folder beside agent.hcl whose *.hcl files belong to it.
const dropIns = "agent.d"

// Document is everything the operator's files say.
type Document struct {
	Settings Settings
	Policy   policy.Policy
	Audit    Audit
	// Files is every file and folder that was read or looked for, for Watch:
	// agent.hcl, agent.d, the files in it, and the addresses files.
	Files []string
	// Held are the addresses files whose last good state is in Policy.
	Held []Held
	// Diagnostics are the warnings.
	Diagnostics Diagnostics
}

// Load reads agent.hcl at path and what belongs to it. The Document is nil
// exactly when there is an error among the diagnostics.
func Load(path string) (*Document, Diagnostics) {
	doc, _, diags := LoadFiles(path)
	return doc, diags
}

// LoadFiles is Load; it also returns the files that were read or looked for
// where there are errors: putting one of them right is what Watch has to see.
func LoadFiles(path string) (*Document, []string, Diagnostics) {
	return NewReader(ReaderOptions{Once: true}).LoadFiles(path)
}

// load reads the files once. The path is clean.
func load(path string, r *Reader) (*Document, []string, Diagnostics) {
	d := &decoder{
		reader:       r,
		dir:          filepath.Dir(path),
		doc:          &Document{Settings: defaultSettings(path), Audit: defaultAudit(), Policy: policy.Policy{Defaults: defaultDefaults()}},
		sources:      map[string]*source{},
		addressesBy:  map[string]*policy.Addresses{},
		interfacesBy: map[string]*policy.Interfaces{},
		containersBy: map[string]*policy.Selector{},
		first:        map[string]*section{},
		used:         map[string]bool{},
		badLists:     map[string]bool{},
	}
	if d.parse(path) {
		d.decode()
	}
	d.sortDiagnostics()
	diags := append(d.list, d.rest(path)...)
	if diags.HasErrors() {
		return nil, d.files, diags
	}
	d.doc.Files, d.doc.Diagnostics = d.files, diags
	return d.doc, d.files, diags
}

// decoder is the state of one Load.
type decoder struct {
	collector
	reader  *Reader
	dir     string
	doc     *Document
	files   []string
	sources map[string]*source
	// sections are the blocks of known kinds, in reading order.
	sections []*section
	// first is the first block of each kind and name, to find duplicates.
	first        map[string]*section
	addressesBy  map[string]*policy.Addresses
	interfacesBy map[string]*policy.Interfaces
	containersBy map[string]*policy.Selector
	// used holds the names blocks that were referred to, as "addresses.office".
	used map[string]bool
	// badLists are the addresses files whose errors were reported.
	badLists map[string]bool
}

// parse reads agent.hcl and agent.d. Where a file is not there or its syntax
// is wrong nothing is decoded: everything that refers into it would be blamed.
func (d *decoder) parse(path string) bool {
	sources := []*source{d.readSource(path, filepath.Base(path))}
	for _, name := range d.dropIns() {
		rel := filepath.Join(dropIns, name)
		sources = append(sources, d.readSource(filepath.Join(d.dir, rel), rel))
	}
	if d.errors > 0 {
		return false
	}
	for _, s := range sources {
		d.collect(s)
	}
	return true
}

// dropIns lists agent.d's files, sorted. Hidden ones are editors' own.
func (d *decoder) dropIns() []string {
	dir := filepath.Join(d.dir, dropIns)
	d.files = append(d.files, dir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		d.wholeFile(dir, readProblem("the folder", dir, err))
		return nil
	}
	var names []string
	for _, e := range entries {
		if isDropIn(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

func isDropIn(name string) bool {
	return strings.HasSuffix(name, ".hcl") && !strings.HasPrefix(name, ".")
}

func (d *decoder) decode() {
	for _, k := range kinds() {
		for _, s := range d.sections {
			if s.kind.name == k.name {
				s.checkAttributes()
				k.decode(d, s)
			}
		}
	}
	d.finish()
}

// finish brings the policy into its canonical order.
func (d *decoder) finish() {
	p := &d.doc.Policy
	p.DenyWith = policy.DenyWith(d.doc.Settings.Firewall.DenyWith)
	p.LogDenied = d.doc.Settings.Firewall.LogDenied
	p.Sort()
	d.warnUnused()
}

// warnUnused names the names blocks that no policy refers to. Where there are
// errors, the reference may be in what could not be read.
func (d *decoder) warnUnused() {
	if d.errors > 0 {
		return
	}
	names := kindNames(nameKinds())
	for _, s := range d.sections {
		if slices.Contains(names, s.kind.name) && !d.used[s.address()] {
			s.warn(s.hcl.DefRange(), &problem{s.title() + " is not used",
				"No policy refers to " + s.address() + "."})
		}
	}
}

func sortByName[T any](all []T, name func(T) string) {
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
}

func (d *decoder) sortDiagnostics() {
	rank := map[string]int{}
	for i, f := range d.files {
		rank[f] = i
	}
	slices.SortStableFunc(d.list, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// wholeFile reports what is wrong with a file as a whole.
func (d *decoder) wholeFile(path string, p *problem) {
	d.add(Diagnostic{Severity: Error, File: path, Summary: p.summary, Detail: p.detail})
}

// report adds a diagnostic at a place in an hcl file; s is the block it is in,
// or nil.
func (d *decoder) report(severity Severity, s *section, rng hcl.Range, p *problem) {
	diag := Diagnostic{Severity: severity, File: rng.Filename, Line: rng.Start.Line, Column: rng.Start.Column,
		EndColumn: rng.End.Column, Summary: p.summary, Detail: p.detail}
	if s != nil {
		diag.Context = "in " + s.title()
	}
	if src := d.sources[rng.Filename]; src != nil && rng.Start.Line > 0 {
		diag.Snippet = lineAt(src.bytes, rng.Start.Byte)
		if src.foreign {
			diag.Snippet, diag.Detail = "", strings.TrimSpace(diag.Detail+"\nThe line is not shown, since the file has no block of dockwall's: is this the right file?")
		}
	}
	if rng.End.Line != rng.Start.Line {
		diag.EndColumn = max(diag.Column, len([]rune(diag.Snippet))) + 1
	}
	diag.EndColumn = max(diag.EndColumn, diag.Column+1)
	d.add(diag)
}

// origin is where the block stands, for the rules that come from it.
func (s *section) origin() rules.Origin {
	return rules.Origin{Subject: rules.Subject{Kind: rules.Kind(s.kind.name), Name: s.name}, File: s.src.rel, Line: s.hcl.TypeRange.Start.Line}
}
