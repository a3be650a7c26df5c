package kernel

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dockwall/rules/backend/nftables"
	"dockwall/rules/compile"
	"dockwall/rules/policy/policytest"
)

// The real nft takes the text of every policy, and the kernel then has each rule of it.
func TestNFTTakesTheText(t *testing.T) {
	inNamespace(t)
	loaded := 0
	rapid.Check(t, func(t *rapid.T) {
		if loaded > 5 {
			return // half a second each
		}
		rs, _ := compile.Compile(policytest.Policy(t), policytest.Snapshot(t))
		text := nftables.Backend{}.Texts(rs)[0].Rules
		if _, err := command(text, "nft", "-c", "-f", "-"); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if _, err := command("table inet dockwall\ndelete table inet dockwall\n"+text, "nft", "-f", "-"); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		listed, err := command("", "nft", "list", "table", "inet", "dockwall")
		if err != nil {
			t.Fatal(err)
		}
		want, got := comments.FindAllString(text, -1), comments.FindAllString(listed, -1)
		if strings.Join(want, "\n") != strings.Join(got, "\n") {
			t.Fatalf("%d rules became %d", len(want), len(got))
		}
		loaded++
	})
	if loaded == 0 {
		t.Error("nothing was loaded: this shows nothing")
	}
}

var comments = regexp.MustCompile(`comment "[^"]*"`)
