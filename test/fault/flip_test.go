package fault_test

import (
	"fmt"
	"strings"
	"time"

	"dockwall/test/lab"
)

func flipFaults() []fault {
	var variant string
	return []fault{{
		name:  "the iptables alternative flips (nft, legacy, nft, …) and dockerd restarts, its containers alive",
		short: 2, full: 10, limit: 15 * time.Second,
		do: func(g *ground, i int) {
			variant = []string{"legacy", "nft"}[i%2]
			g.SetVariant(variant)
			g.RestartDockerd()
		},
		whole: func(g *ground) error {
			if st := g.status(); st.Backend != "iptables-"+variant {
				return fmt.Errorf("the agent writes to %s", st.Backend)
			}
			if left := g.tracesBeside(variant); left != "" {
				return fmt.Errorf("beside %s there are still:\n%s", variant, left)
			}
			return g.asTheFileSays()
		},
	}}
}

// tracesBeside is what the agent keeps in the other variant.
func (g *ground) tracesBeside(variant string) string {
	other := "legacy"
	if variant == "legacy" {
		other = "nft"
	}
	var left strings.Builder
	for _, family := range []string{"ip", "ip6"} {
		left.WriteString(lab.Traces(g.Host(family + "tables-" + other + "-save")))
	}
	return left.String()
}
