package audit

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"dockwall/netinfo/inventory"
)

// update rewrites what the fixtures say of the detail. The state stays: it is written
// by hand, in the name of the case.
var update = flag.Bool("update", false, "rewrite the details in testdata/checks")

// overlay is what a case changes on the base.
type overlay struct {
	*inventory.Inventory
	// Container is web, Image the image that it runs.
	Container *inventory.Container `json:"container"`
	Image     *inventory.Image     `json:"image"`
	// More are further containers, MoreImages further images.
	More       []inventory.Container `json:"more"`
	MoreImages []inventory.Image     `json:"more_images"`
	// File changes a file by its path, Remove makes it missing.
	File       map[string]inventory.File `json:"file"`
	Registries []string                  `json:"registries"`
	// Isolated are networks between whose containers agent.hcl denies.
	Isolated []string `json:"isolated"`
	// Policy is what agent.hcl says of ports; if it is left out, there is no agent.hcl.
	Policy *fixturePolicy `json:"policy"`
	// Enforced is why it is not known that agent.hcl is in force.
	Enforced string        `json:"enforced"`
	Skips    []fixtureSkip `json:"skips"`
}

// fixturePolicy has published blocks about the ports of Listed, host ports or in routed mode
// the container's as 80/tcp, networks where the default lets every client in, and
// docker_api, which opens the ports of API.
type fixturePolicy struct {
	Listed, Allowed []string
	API             []uint16
	RequireTLS      bool `json:"require_tls"`
}

// fixtureSkip is a skip block; of is the name of the container that it is about.
type fixtureSkip struct{ ID, Of, Until string }

// caseInventory is the base with the case's changes.
func caseInventory(t *testing.T, text []byte) (*inventory.Inventory, Settings) {
	t.Helper()
	in, c, i := hardened(), web(), shop()
	o := overlay{Inventory: &in, Container: &c, Image: &i}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if in.Containers.Read {
		in.Containers.Value = append([]inventory.Container{c}, o.More...)
	}
	if in.Images.Read {
		in.Images.Value = append([]inventory.Image{i}, o.MoreImages...)
	}
	for path, f := range o.File {
		whole := inventory.File{Real: path, Kind: "file", Owner: "root", Group: "root", Parents: []inventory.Parent{{Path: "/", Mode: 0o755, Owner: "root"}}}
		if f.Real != "" {
			whole.Real = f.Real
		}
		if f.Owner != "" {
			whole.Owner = f.Owner
		}
		whole.Mode, whole.Missing = f.Mode, f.Missing
		whole.Parents = append(whole.Parents, f.Parents...)
		in.Host.Files[path] = inventory.Known(whole)
	}
	s := Settings{Registries: o.Registries, Today: "2027-01-15", Enforced: o.Enforced}
	for _, k := range o.Skips {
		skip := Skip{ID: k.ID, Until: k.Until, Reason: "the reason", Position: "agent.hcl:7"}
		if k.Of != "" {
			skip.Of = func(c *inventory.Container) bool { return c.Name == k.Of }
		}
		s.Skips = append(s.Skips, skip)
	}
	if p := o.Policy; p != nil {
		s.Published = &Published{Allowed: func(network string) bool { return slices.Contains(p.Allowed, network) },
			Listed: func(_ *inventory.Container, b inventory.PortBinding, routed bool) bool {
				return slices.Contains(p.Listed, b.HostPort) || routed && slices.Contains(p.Listed, b.Container)
			}}
		s.API = &API{RequireTLS: p.RequireTLS, Opens: func(port uint16) bool { return slices.Contains(p.API, port) }}
	}
	if len(o.Isolated) > 0 {
		s.Isolated = func(network string) bool { return slices.Contains(o.Isolated, network) }
	}
	return &in, s
}

// Each check has a fixture of its name in testdata/checks: an archive of cases. The name
// of a case is the state that is wanted and what the case is about; its text is JSON
// that is laid over the base, and lines "> detail" that say what decided.
func TestFixtures(t *testing.T) {
	for _, c := range Checks() {
		if c.host == nil && c.container == nil && c.image == nil {
			continue // it is about files
		}
		t.Run(c.ID, func(t *testing.T) {
			path := filepath.Join("testdata", "checks", c.ID+".txtar")
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			states := map[State]bool{}
			for i := range a.Files {
				states[runCase(t, c, &a.Files[i])] = true
			}
			switch {
			case states[Note] && c.Severity == "low":
			case !states[Fail] || !states[Pass]:
				t.Errorf("%s has no case that passes or none that fails", path)
			}
			if *update {
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func runCase(t *testing.T, c Check, f *txtar.File) State {
	t.Helper()
	text, _, _ := strings.Cut(string(f.Data), "\n> ")
	if strings.HasPrefix(text, "> ") {
		text = ""
	}
	in, s := caseInventory(t, []byte("{"+text+"}"))
	if c.ID != unusedWaiver { // which is about the others
		s.Only = []string{c.ID}
	}
	r := Judge(in, s)
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.ID != c.ID })
	want, _, _ := strings.Cut(f.Name, " ")
	got := State("")
	var details strings.Builder
	for _, found := range r.Findings {
		if got == "" {
			got = found.State // sorted: the worst
		}
		fmt.Fprintf(&details, "> %s: %s\n", found.Subject, found.Detail)
	}
	if string(got) != want {
		t.Errorf("%s: the state is %q\n%s", f.Name, got, details.String())
	}
	whole := strings.TrimRight(text, "\n")
	if whole != "" {
		whole += "\n"
	}
	whole += details.String()
	if *update {
		f.Data = []byte(whole)
	} else if d := cmp.Diff(whole, string(f.Data)); d != "" {
		t.Errorf("%s: -now +fixture:\n%s", f.Name, d)
	}
	return got
}

// A fixture without its check is a check that was forgotten.
func TestFixturesHaveChecks(t *testing.T) {
	files, err := filepath.Glob("testdata/checks/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := Find(strings.TrimSuffix(filepath.Base(f), ".txtar")); !ok {
			t.Errorf("%s belongs to no check", f)
		}
	}
}
