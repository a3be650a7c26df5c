package hostnet

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"dockwall/test/nstest"
)

func TestReadNFTTable(t *testing.T) {
	nstest.New(t)
	needNFTables(t)
	if _, ok, err := ReadNFTTable(4, "filter"); ok || err != nil {
		t.Fatalf("a table that is not there is read: %v, %v", ok, err)
	}
	nstest.Restore(t, 4, "*filter\n:FORWARD DROP\n:T - [0:0]\n-A INPUT -m comment --comment theirs -j T\n-A T -j LOG\nCOMMIT\n")
	nstest.Restore(t, 6, "*filter\n-A INPUT -j DROP\nCOMMIT\n")
	nstest.Run(t, "", "nft", "add", "rule", "ip", "filter", "INPUT", "ct", "state", "new", "accept")
	nstest.Run(t, "", "nft", "add", "rule", "ip", "filter", "INPUT", "ct", "state", "vmap", "{ new : drop }")
	table, ok, err := ReadNFTTable(4, "filter")
	if err != nil || !ok || table.Dormant {
		t.Fatalf("%+v, %v, %v", table, ok, err)
	}
	at := func(name string) NFTChain {
		i := slices.IndexFunc(table.Chains, func(c NFTChain) bool { return c.Name == name })
		if i < 0 {
			t.Fatalf("no chain %s", name)
		}
		return table.Chains[i]
	}
	if c := at("FORWARD"); !c.Base || !c.Drop || len(c.Rules) != 0 {
		t.Errorf("FORWARD is %+v", c)
	}
	if c := at("T"); c.Base || c.Drop || len(c.Rules) != 1 {
		t.Errorf("T is %+v", c)
	} else if name, _ := NFTExtension(c.Rules[0].Exprs[len(c.Rules[0].Exprs)-1]); name != "LOG" {
		t.Errorf("T's target is %q", name)
	}
	input := at("INPUT")
	if len(input.Rules) != 3 {
		t.Fatalf("INPUT is %+v", input)
	}
	var names []string
	for _, e := range input.Rules[0].Exprs {
		names = append(names, e.Name)
	}
	if d := cmp.Diff([]string{"match", "counter", "immediate"}, names); d != "" {
		t.Errorf("the expressions of the jump (-want +got):\n%s", d)
	}
	last := func(r NFTRule) NFTExpr { return r.Exprs[len(r.Exprs)-1] }
	if code, chain, ok := NFTVerdict(last(input.Rules[0])); code != unix.NFT_JUMP || chain != "T" || !ok {
		t.Errorf("the jump is %d %q %v", code, chain, ok)
	}
	if code, _, ok := NFTVerdict(last(input.Rules[1])); code != 1 || !ok {
		t.Errorf("accept is %d %v", code, ok)
	}
	if !NFTVerdictMap(last(input.Rules[2])) || NFTVerdictMap(last(input.Rules[1])) {
		t.Error("the verdict map is not known as one")
	}
	if input.Rules[0].Handle == 0 || input.Rules[0].Handle == input.Rules[1].Handle {
		t.Errorf("the handles are %d and %d", input.Rules[0].Handle, input.Rules[1].Handle)
	}
	nstest.Run(t, "", "nft", "add table ip filter { flags dormant; }")
	if table, _, err := ReadNFTTable(4, "filter"); err != nil || !table.Dormant {
		t.Errorf("a dormant table is read as %v, %v", table.Dormant, err)
	}
}
