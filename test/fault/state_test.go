package fault_test

import (
	"fmt"
	"strings"
	"time"
)

// stateDir is where the agent keeps what it needs at its next start.
const stateDir = "/var/lib/dockwall"

func stateFaults() []fault {
	return []fault{{
		name:  "the disk of the state folder is full, a policy change, agentd killed (-9) and started again",
		short: 2, full: 20, limit: 5 * time.Second,
		do: (*ground).fill, whole: (*ground).asTheFileSays,
		heal:   func(g *ground) { g.Host("rm", stateDir+"/fill") },
		finish: (*ground).noLists,
	}}
}

func (g *ground) fill(i int) {
	g.t.Helper()
	g.Host("sh", "-c", "dd if=/dev/zero of="+stateDir+"/fill bs=1k 2>/dev/null; dd if=/dev/zero of="+stateDir+"/fill bs=1 oflag=append conv=notrunc 2>/dev/null; true")
	before := g.status().Generation
	g.WriteConfig(fmt.Sprintf(sameMeaning, i%8, i%8))
	_, err := until(5*time.Second, func() error {
		if st := g.status(); st.Generation <= before {
			return fmt.Errorf("still at generation %d", st.Generation)
		}
		// Once: it may have said so when it started.
		if !strings.Contains(g.agent.Log()[g.began:], "cannot be kept for a restart") {
			return fmt.Errorf("the agent does not say that the disk is full")
		}
		return g.asTheFileSays()
	})
	if err != nil {
		g.t.Errorf("a policy change on a full disk: %v", err)
	}
	g.agent.Kill()
	g.launch()
}
