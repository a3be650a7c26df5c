package lastgood

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dockwall/agent/config"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
)

func compareAddresses() cmp.Options {
	return cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
}

// again writes the document and reads it back.
func again(t interface{ Fatal(...any) }, doc *config.Document) *config.Document {
	var b bytes.Buffer
	if err := Write(&b, doc); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPolicySurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := &config.Document{Settings: config.Settings{Path: "/etc/dockwall/agent.hcl"}, Policy: policytest.Policy(t)}
		got := again(t, doc)
		if diff := cmp.Diff(doc, got, compareAddresses()); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}

func TestReferencesAreToThePolicysOwnBlocks(t *testing.T) {
	doc, diags := config.Load("../config/testdata/full/agent.hcl")
	if doc == nil {
		t.Fatal(diags.Err())
	}
	got := again(t, doc)
	seen := 0
	own := func(ok bool, name string) {
		seen++
		if !ok {
			t.Errorf("the reference to %s is to a copy", name)
		}
	}
	rewire(&got.Policy,
		func(a *policy.Addresses) *policy.Addresses {
			own(contains(got.Policy.Addresses, a), a.Name)
			return a
		},
		func(i *policy.Interfaces) *policy.Interfaces {
			own(contains(got.Policy.Interfaces, i), i.Name)
			return i
		},
		func(s *policy.Selector) *policy.Selector {
			own(contains(got.Policy.Containers, s), s.Name)
			return s
		})
	if seen < 5 {
		t.Errorf("only %d references were seen", seen)
	}
}

func contains[T any](all []*T, one *T) bool {
	for _, v := range all {
		if v == one {
			return true
		}
	}
	return false
}

func TestWritingLeavesThePolicyAlone(t *testing.T) {
	doc, diags := config.Load("../config/testdata/full/agent.hcl")
	if doc == nil {
		t.Fatal(diags.Err())
	}
	same, _ := config.Load("../config/testdata/full/agent.hcl")
	again(t, doc)
	if diff := cmp.Diff(same, doc, compareAddresses()); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

func TestBadPolicyFiles(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "EOF"},
		{"garbage", "{]", "invalid character"},
		{"newer format", `{"format_version": 2}`, "it has format 2, this version knows 1"},
		{"newer field", `{"format_version": 1, "policy": {"Secret": true}}`, `unknown field "Secret"`},
		{"dangling", `{"format_version": 1, "policy": {"Published": [{"Name": "x", "From": {"Refs": [{"Name": "office"}]}}]}}`, "addresses.office"},
	}
	for _, tt := range tests {
		if doc, err := Read(strings.NewReader(tt.text)); err == nil || doc != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want %q", tt.name, doc, err, tt.want)
		}
	}
}
