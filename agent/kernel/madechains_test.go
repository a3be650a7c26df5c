package kernel

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	backend "dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// counted is what differs from one look to the next.
var counted = regexp.MustCompile(`packets [0-9]+ bytes [0-9]+`)

// everything is all that nftables holds, without counters.
func everything(t *testing.T) string {
	t.Helper()
	return counted.ReplaceAllString(sh(t, "nft list ruleset"), "packets 0 bytes 0")
}

// TestRemoveLeavesNoBaseChains removes dockwall from hosts whose tables lack base chains:
// those that dockwall made go, unless another program uses them by now.
func TestRemoveLeavesNoBaseChains(t *testing.T) {
	const docker = "iptables-nft -N DOCKER; iptables-nft -N DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN; iptables-nft -I FORWARD -j DOCKER-USER; "
	for name, c := range map[string]struct{ before, during, left string }{
		"Docker was first":           {before: docker},
		"nothing was there":          {},
		"a native table":             {before: "nft add table ip filter; nft add chain ip filter FORWARD '{ type filter hook forward priority 0; }'; nft add rule ip filter FORWARD ip saddr 192.0.2.1 accept"},
		"an empty chain was there":   {before: docker + "nft add chain ip filter INPUT '{ type filter hook input priority 0; }'"},
		"Docker came later":          {during: docker, left: docker},
		"another program uses INPUT": {before: docker, during: "iptables-nft -A INPUT -s 192.0.2.1 -j DROP", left: docker + "iptables-nft -A INPUT -s 192.0.2.1 -j DROP"},
		"another program's policy":   {before: docker, during: "iptables-nft -P INPUT DROP", left: docker + "iptables-nft -P INPUT DROP"},
	} {
		t.Run(name, func(t *testing.T) {
			left := ""
			if c.left != "" {
				inNamespace(t)
				sh(t, c.left)
				left = everything(t)
			}
			k := inNamespace(t)
			sh(t, c.before+"\ntrue")
			if c.left == "" {
				left = everything(t)
			}
			for range 2 { // the second one finds what the first one made
				apply(t, k, small(), backend.Options{Variant: backend.NFT, Guard: true})
			}
			if now := everything(t); !strings.Contains(now, "chain INPUT") || !strings.Contains(now, "DOCKWALL-") {
				t.Fatalf("in force is\n%s", now)
			}
			sh(t, c.during+"\ntrue")
			if changed, err := k.RemoveAll(t.Context()); err != nil || !changed {
				t.Fatalf("removed: %v, %v", changed, err)
			}
			now := everything(t)
			if c.left != "" { // nft lists chains in the order in which they were made
				now, left = sortedLines(now), sortedLines(left)
			}
			if now != left {
				t.Errorf("after the removal\n%s\nwant\n%s", now, left)
			}
		})
	}
}

func sortedLines(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

// TestRefusedPlanLeavesNoBaseChains undoes a plan that made a base chain.
func TestRefusedPlanLeavesNoBaseChains(t *testing.T) {
	k := inNamespace(t)
	sh(t, "iptables-nft -N DOCKER-USER; iptables-nft -I FORWARD -j DOCKER-USER")
	before := everything(t)
	st, err := k.Observe(t.Context(), backend.NFT)
	must(t, err)
	p := backend.Diff(small(), st, backend.Options{Variant: backend.NFT, Guard: true})
	p.Steps = append(p.Steps, p.Steps[0])
	last := &p.Steps[len(p.Steps)-1]
	last.Action = plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*filter\n-A NO-SUCH-CHAIN -j DROP\nCOMMIT\n"}}
	if err := k.Run(t.Context(), p); err == nil {
		t.Fatal("the plan is not refused")
	}
	if now := everything(t); now != before {
		t.Errorf("after going back\n%s\nwant\n%s", now, before)
	}
}
