package plan

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/rules"
	"dockwall/rules/nft"
)

// Actions lists each type that implements Action, and no two of the same kind.
func TestActionsListsAll(t *testing.T) {
	var listed, kinds []string
	for _, a := range Actions() {
		listed = append(listed, reflect.TypeOf(a).Name())
		if slices.Contains(kinds, a.kind()) {
			t.Errorf("two actions are of the kind %q", a.kind())
		}
		kinds = append(kinds, a.kind())
	}
	declared := receiversOf(t, "kind")
	slices.Sort(listed)
	slices.Sort(declared)
	if d := cmp.Diff(declared, listed); d != "" {
		t.Errorf("-declared +listed:\n%s", d)
	}
}

// receiversOf finds the types of this package that have a method.
func receiversOf(t *testing.T, method string) []string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == method {
				all = append(all, f.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	return all
}

func TestPrinterKnowsAllActions(t *testing.T) {
	for _, a := range Actions() {
		if head, _ := printed(a); head == "" {
			t.Errorf("%T is not printed", a)
		}
	}
}

func sample() []Step {
	members := []rules.Member{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, {Prefix: netip.MustParsePrefix("192.0.2.1/32"), Proto: rules.Protocol(6), Port: 80}}
	return []Step{
		{Action: RestoreTable{Tool: "ip6tables-legacy", Wait: true, Test: true, Script: Script{Body: "*filter\nCOMMIT\n", Lines: []rules.Origin{{}, {Subject: rules.ParseSubject("published.shop"), File: "agent.hcl", Line: 3}}}}, Why: "write", Beside: true},
		{Action: RestoreSets{Exist: true, Script: Script{Body: "create a hash:net\n"}}, Why: "make", MayFail: true},
		{Action: EditSets{Exist: true, Ops: []SetOp{{Verb: AddMembers, Set: "a", Members: members}, {Verb: SwapSets, Set: "a", To: "b"}, {Verb: DestroySet, Set: "b"}}}, Why: "fill"},
		{Action: DeleteTable{Family: 6, Table: "raw"}, Why: "delete"},
		{Action: DeleteChains{Family: 4, Table: "filter", Chains: []string{"INPUT", "OUTPUT"}}, Why: "delete chains"},
		{Action: SetJumps{Family: 4, Table: "filter", Chain: "INPUT", Jumps: []Jump{{0, "", "DOCKER-USER"}, {1, "dockwall:jump", "DOCKWALL-INPUT"}}}, Why: "jump"},
		{Action: EditTable{Table: "dockwall", Ops: nft.Ops{nft.AddTable{}, nft.AddRule{Chain: "forward", Rule: nft.Rule{Statements: nft.Statements{nft.Verdict{Kind: rules.Drop}}}}},
			Origins: map[int]rules.Origin{1: {File: "agent.hcl", Line: 3}}}, Why: "edit"},
		{Action: Settle{}, Why: "wait"},
	}
}

func TestStepsSurviveAFile(t *testing.T) {
	want := sample()
	if len(want) != len(Actions()) {
		t.Fatalf("%d of %d actions are tested", len(want), len(Actions()))
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []Step
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestStepsOfOtherVersionsAreErrors(t *testing.T) {
	for _, text := range []string{`{"kind":"nft_batch","action":{},"why":"write"}`, `{"Argv":["iptables-nft-restore"],"Stdin":"","Why":"write"}`, `{"kind":"settle","action":[]}`} {
		var s Step
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s is read as %v", text, s)
		}
	}
	if _, err := json.Marshal(Step{Why: "nothing"}); err == nil {
		t.Error("a step without an action is written")
	}
}

func TestPlanPrints(t *testing.T) {
	steps := sample()
	got := Plan{Prepare: steps[1:3], Steps: steps[:1], Cleanup: steps[3:6], Rollback: steps[7:]}.String()
	want := `# make (may fail)
ipset restore -exist
create a hash:net
# fill
netlink: ipset restore -exist
add a 10.0.0.0/8
add a 192.0.2.1,tcp:80
swap a b
destroy b
# write (beside the step above)
ip6tables-legacy-restore --noflush -w --test
*filter
COMMIT
# delete
netlink: delete the empty table raw of IPv6
# delete chains
netlink: delete those of INPUT, OUTPUT that are empty, table filter of IPv4
# jump
netlink: jumps of chain INPUT, table filter of IPv4: DOCKER-USER at 1 DOCKWALL-INPUT at 2
ROLLBACK
# wait
wait for connections that are being opened
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestScriptOrigin(t *testing.T) {
	s := sample()[0].Script()
	for line, want := range map[int]int{0: 0, 1: 0, 2: 3, 3: 0} {
		if got := s.Origin(line); got.Line != want {
			t.Errorf("line %d comes from line %d, want %d", line, got.Line, want)
		}
	}
	if len(sample()[6].Script().Body) > 0 {
		t.Error("waiting has a script")
	}
}

func TestSettles(t *testing.T) {
	steps := sample()
	if (Plan{Steps: steps[:5]}).Settles() || !(Plan{Steps: steps}).Settles() {
		t.Error("Settles does not depend on a Settle among the steps")
	}
}
