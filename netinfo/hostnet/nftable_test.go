package hostnet

import (
	"errors"
	"strings"
	"testing"
)

const emptyFilter = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:T - [0:0]\nCOMMIT\n*filter\n-X T\nCOMMIT\n"

func TestEmptyTableIsDeleted(t *testing.T) {
	newNetNS(t)
	needNFTables(t)
	restore(t, 4, emptyFilter)
	restore(t, 6, emptyFilter)
	restore(t, 4, strings.ReplaceAll(emptyFilter, "*filter", "*security"))
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
		if err := DeleteEmptyNFTTable(c.family, c.table); err != nil {
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
		"rule":    func(t *testing.T) { restore(t, 4, "*filter\n-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n") },
		"policy":  func(t *testing.T) { restore(t, 4, "*filter\n:FORWARD DROP\nCOMMIT\n") },
		"chain":   func(t *testing.T) { restore(t, 4, "*filter\n:THEIRS - [0:0]\nCOMMIT\n") },
		"regular": func(t *testing.T) { run(t, "", "nft", "add chain ip filter PREROUTING") },
		"set":     func(t *testing.T) { run(t, "", "nft", "add set ip filter theirs { type ipv4_addr; }") },
		"own base": func(t *testing.T) {
			run(t, "", "nft", "add chain ip filter input { type filter hook input priority 5; }")
		},
	} {
		t.Run(name, func(t *testing.T) {
			newNetNS(t)
			needNFTables(t)
			restore(t, 4, emptyFilter)
			fill(t)
			before := run(t, "", "nft", "list", "ruleset")
			if err := DeleteEmptyNFTTable(4, "filter"); !errors.Is(err, ErrTableNotEmpty) {
				t.Errorf("the error is %v, want ErrTableNotEmpty", err)
			}
			if after := run(t, "", "nft", "list", "ruleset"); after != before {
				t.Errorf("the ruleset was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// What somebody commits between our look and our deletion is never deleted: the
// deletion is bound to the generation.
func TestDeletionIsBoundToWhatWasSeen(t *testing.T) {
	newNetNS(t)
	needNFTables(t)
	restore(t, 4, emptyFilter)
	conn, err := dialNetfilter()
	must(t, err)
	defer conn.Close()
	gen, err := askGeneration(conn)
	must(t, err)
	chains, err := nftChains(conn, 2, "filter")
	must(t, err)
	restore(t, 4, "*filter\n:FORWARD DROP\nCOMMIT\n")
	if err := commitDeletion(conn, 2, "filter", chains, gen.ID); err == nil {
		t.Error("a table that changed meanwhile was deleted")
	}
	if !hasTable(t, "ip filter") {
		t.Error("the table is gone")
	}
}

func TestFamilyMustBe4Or6(t *testing.T) {
	if err := DeleteEmptyNFTTable(5, "filter"); err == nil {
		t.Error("IP version 5 was taken")
	}
	if _, err := ConnFlows(10); err == nil {
		t.Error("IP version 10 was taken")
	}
}

func hasTable(t *testing.T, name string) bool {
	t.Helper()
	for line := range strings.Lines(run(t, "", "nft", "list", "tables")) {
		if strings.TrimSpace(line) == "table "+name {
			return true
		}
	}
	return false
}
