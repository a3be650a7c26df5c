package fault_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"dockwall/agent/reconcile"
)

// restores are the commands by which everything is written.
var restores = []string{"iptables-nft-restore", "ip6tables-nft-restore"}

// sameMeaning is another policy with the same meaning for the clients of the test,
// so that there is something to write.
const sameMeaning = onlyWan + "block \"b%d\" {\n  from = [\"203.0.113.%d\"]\n}\n"

func toolFaults() []fault {
	broken := func(name string, hide func(*ground), show func(*ground)) fault {
		return fault{
			name:  name + ", a policy change, agentd killed (-9) and started again, then it is back",
			short: 1, full: 10, limit: 12 * time.Second,
			do: func(g *ground, i int) {
				hide(g)
				g.WriteConfig(fmt.Sprintf(sameMeaning, i%8, i%8))
				g.waitReason("apply")
				g.agent.Kill()
				g.launch()
				g.waitReason("apply")
				show(g)
				g.want = ""
			},
			// The new policy is what is to be in force, so the agent's own word
			// and its dry run are taken.
			whole:  (*ground).asTheFileSays,
			finish: (*ground).noLists,
		}
	}
	return []fault{
		broken("iptables-restore fails", func(g *ground) { g.wrapRestore("exit 4") }, (*ground).unwrapRestore),
		broken("iptables-restore dies half way", func(g *ground) { g.wrapRestore("head -c 200 | $real \"$@\"; kill -9 $$") }, (*ground).unwrapRestore),
		broken("iptables-restore is missing", (*ground).hideRestore, (*ground).showRestore),
	}
}

// wrapRestore puts a script before iptables-restore, first in PATH; what it
// does not end goes on to the real one.
func (g *ground) wrapRestore(script string) {
	g.t.Helper()
	for _, name := range restores {
		text := fmt.Sprintf("#!/bin/sh\nreal=/usr/sbin/%s\n%s\nexec $real \"$@\"\n", name, script)
		path := filepath.Join(g.Dir(), "bin", name)
		if err := os.WriteFile(path+".new", []byte(text), 0o755); err != nil {
			g.t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *ground) unwrapRestore() {
	g.t.Helper()
	for _, name := range restores {
		if err := os.Remove(filepath.Join(g.Dir(), "bin", name)); err != nil {
			g.t.Fatal(err)
		}
	}
}

// hideRestore takes the commands out of the host's /usr/sbin, which it sees
// from now on as a folder of links to what is there.
func (g *ground) hideRestore() {
	g.t.Helper()
	g.Host("sh", "-ec", `
if ! [ -e /run/sbin ]; then
  mkdir -p /run/sbin.real /run/sbin
  mount --bind /usr/sbin /run/sbin.real
  for f in /run/sbin.real/*; do ln -s "$f" /run/sbin/; done
  mount --bind /run/sbin /usr/sbin
fi
rm /run/sbin/iptables-nft-restore /run/sbin/ip6tables-nft-restore`)
}

func (g *ground) showRestore() {
	g.t.Helper()
	g.Host("sh", "-ec", "ln -s /run/sbin.real/iptables-nft-restore /run/sbin.real/ip6tables-nft-restore /run/sbin/")
}

// waitReason waits until the agent says why all is not well.
func (g *ground) waitReason(code string) {
	g.t.Helper()
	_, err := until(20*time.Second, func() error {
		st := g.status()
		for _, r := range st.Reasons {
			if string(r.Code) == code {
				return nil
			}
		}
		return fmt.Errorf("the agent is %q: %v", st.State, st.Reasons)
	})
	if err != nil {
		g.t.Fatalf("waiting for the reason %q: %v\n%s", code, err, tail(g.agent.Log(), 20))
	}
}

// asTheFileSays is nil when the agent enforces and its dry run finds nothing to
// change.
func (g *ground) asTheFileSays() error {
	if st := g.status(); st.State != reconcile.Enforcing {
		return fmt.Errorf("the agent is %q: %v", st.State, st.Reasons)
	}
	if stdout, stderr, code := g.Agentctl("diff"); code != 0 {
		return fmt.Errorf("agentctl diff: exit code %d\n%s%s", code, stdout, stderr)
	}
	return nil
}
