package kernel

import (
	"errors"
	"strings"
	"testing"

	"dockwall/netinfo/hostnet"
	"dockwall/test/nstest"
)

const emptyFilter = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:T - [0:0]\nCOMMIT\n*filter\n-X T\nCOMMIT\n"

func TestEmptyTableIsDeleted(t *testing.T) {
	nstest.New(t)
	nstest.Restore(t, 4, emptyFilter)
	nstest.Restore(t, 6, emptyFilter)
	nstest.Restore(t, 4, strings.ReplaceAll(emptyFilter, "*filter", "*security"))
	if !hasTable(t, "ip filter") || !hasTable(t, "ip6 filter") || !hasTable(t, "ip security") {
		t.Fatal("iptables-nft made no tables: the test shows nothing")
	}
	for _, c := range []struct {
		family int
		table  string
		left   []string
	}{
		{4, "filter", []string{"ip6 filter", "ip security"}},
		{6, "filter", []string{"ip security"}},
		{4, "security", nil},
		{4, "security", nil}, // not there any more
	} {
		if err := DeleteEmptyTable(c.family, c.table); err != nil {
			t.Errorf("deleting %d %s: %v", c.family, c.table, err)
		}
		for _, name := range []string{"ip filter", "ip6 filter", "ip security"} {
			want := false
			for _, l := range c.left {
				want = want || l == name
			}
			if got := hasTable(t, name); got != want {
				t.Errorf("after deleting %d %s: table %s is there: %v, want %v", c.family, c.table, name, got, want)
			}
		}
	}
}

func TestTableWithAnythingInItStays(t *testing.T) {
	for name, fill := range map[string]func(t *testing.T){
		"rule":    func(t *testing.T) { nstest.Restore(t, 4, "*filter\n-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n") },
		"policy":  func(t *testing.T) { nstest.Restore(t, 4, "*filter\n:FORWARD DROP\nCOMMIT\n") },
		"chain":   func(t *testing.T) { nstest.Restore(t, 4, "*filter\n:THEIRS - [0:0]\nCOMMIT\n") },
		"regular": func(t *testing.T) { nstest.Run(t, "", "nft", "add chain ip filter PREROUTING") },
		"set":     func(t *testing.T) { nstest.Run(t, "", "nft", "add set ip filter theirs { type ipv4_addr; }") },
		"own base": func(t *testing.T) {
			nstest.Run(t, "", "nft", "add chain ip filter input { type filter hook input priority 5; }")
		},
	} {
		t.Run(name, func(t *testing.T) {
			nstest.New(t)
			nstest.Restore(t, 4, emptyFilter)
			fill(t)
			before := nstest.Run(t, "", "nft", "list", "ruleset")
			if err := DeleteEmptyTable(4, "filter"); !errors.Is(err, ErrTableNotEmpty) {
				t.Errorf("the error is %v, want ErrTableNotEmpty", err)
			}
			if after := nstest.Run(t, "", "nft", "list", "ruleset"); after != before {
				t.Errorf("the ruleset was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// What somebody commits between our look and our deletion is never deleted: the
// deletion is bound to the generation.
func TestDeletionIsBoundToWhatWasSeen(t *testing.T) {
	nstest.New(t)
	nstest.Restore(t, 4, emptyFilter)
	gen, err := hostnet.CurrentGeneration()
	must(t, err)
	is, there, err := hostnet.ReadNFTTable(4, "filter")
	must(t, err)
	if !there {
		t.Fatal("there is no table")
	}
	nstest.Restore(t, 4, "*filter\n:FORWARD DROP\nCOMMIT\n")
	if err := commitDeletion(4, "filter", is.Chains, true, gen.ID); err == nil {
		t.Error("a table that changed meanwhile was deleted")
	}
	if !hasTable(t, "ip filter") {
		t.Error("the table is gone")
	}
}

func hasTable(t *testing.T, name string) bool {
	t.Helper()
	for line := range strings.Lines(nstest.Run(t, "", "nft", "list", "tables")) {
		if strings.TrimSpace(line) == "table "+name {
			return true
		}
	}
	return false
}
