package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"pgregory.net/rapid"

	"dockwall/rules"
)

// blocksOf cuts a file into the texts of its top-level blocks.
func blocksOf(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, diags := hclsyntax.ParseConfig(data, path, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var all []string
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		r := b.Range()
		all = append(all, string(data[r.Start.Byte:b.CloseBraceRange.End.Byte])+"\n")
	}
	return all
}

// ignorePlaces leaves the file and the line out: they are meant to change.
func ignorePlaces() cmp.Option {
	return cmp.Comparer(func(a, b rules.Origin) bool { return a.Subject == b.Subject })
}

// TestOrderHasNoMeaning permutes the blocks of the full fixture and spreads
// them over agent.d: the policy stays the same.
func TestOrderHasNoMeaning(t *testing.T) {
	want, diags := Load("testdata/full/agent.hcl")
	if want == nil {
		t.Fatal(textOf(t, diags))
	}
	blocks := append(blocksOf(t, "testdata/full/agent.hcl"), blocksOf(t, "testdata/full/agent.d/db.hcl")...)
	feed, err := os.ReadFile("testdata/full/office.cidr")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		defer os.RemoveAll(dir)
		write(t, dir, "office.cidr", string(feed))
		names := []string{"agent.hcl", "agent.d/10.hcl", "agent.d/20.hcl", "agent.d/z.hcl"}
		content := map[string]string{}
		for _, b := range rapid.Permutation(blocks).Draw(rt, "order") {
			content[rapid.SampledFrom(names).Draw(rt, "file")] += b
		}
		for _, name := range names {
			write(t, dir, name, "# a part\n"+content[name])
		}
		got, diags := Load(filepath.Join(dir, "agent.hcl"))
		if len(diags) > 0 {
			rt.Fatalf("diagnostics:\n%s", textOf(t, diags))
		}
		got.Settings.Path = want.Settings.Path
		if diff := cmp.Diff(want.Policy, got.Policy, netipByValue(), ignorePlaces()); diff != "" {
			rt.Fatalf("-want +got:\n%s", diff)
		}
		if diff := cmp.Diff(want.Settings, got.Settings); diff != "" {
			rt.Fatalf("settings: -want +got:\n%s", diff)
		}
	})
}
