package nft

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/rules"
)

func TestOpsSurviveAFile(t *testing.T) {
	web := Key{Field: Field{From: NetworkHeader, Offset: 16, Len: 4}, Mask: []byte{255, 255, 255, 0}}
	rule := Rule{Comment: "published.web", Statements: Statements{
		Test{Field: Field{Key: MetaL4Proto}, Data: []byte{6}, Not: true}, Lookup{Keys: []Key{web}, Set: "a", Not: true}, Dispatch{Keys: []Key{web}, Map: "m"},
		Count{}, Limit{10, 20}, Log{7, "x"}, SetPriority{9}, Reject{Reset: true}, Verdict{Kind: rules.Goto, Chain: "closed"}, Foreign{"quota"}}}
	want := Ops{AddTable{}, AddChain{"forward", &Hook{Forward, -1}}, AddRule{"forward", rule},
		AddSet{Set{Name: "a", Key: []KeyType{IPv4Addr, InetService}, Interval: true, Size: 4, Elements: []Element{{Key: []byte{1}, End: []byte{2}}}}},
		AddElements{"m", []Element{{Key: []byte{3}, Verdict: &Verdict{Kind: rules.Return}}}}, DeleteElements{"a", nil},
		FlushChain{"forward"}, DeleteChain{"forward"}, DeleteSet{"a"}, DeleteTable{}}
	if len(want) != len(AllOps()) || len(rule.Statements) != len(AllStatements()) {
		t.Fatal("not every kind is tested")
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Ops
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestUnknownKindsAreErrors(t *testing.T) {
	for _, text := range []string{`[{"kind":"add_flowtable","is":{}}]`, `[{"kind":"add_rule","is":[]}]`, `[{"kind":"add_rule","is":{"rule":{"statements":[{"kind":"nat","is":{}}]}}}]`} {
		var ops Ops
		if err := json.Unmarshal([]byte(text), &ops); err == nil {
			t.Errorf("%s is read as %v", text, ops)
		}
	}
}
