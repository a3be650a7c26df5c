package fault_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dockwall/test/lab"
)

// byList lets those on the list reach everything that is published.
const byList = `
addresses "list" {
  file = "list.cidr"
}
published "web" {
  from = [addresses.list]
}
firewall {
  resync = "3s"
}
`

// listLength is how many addresses the list has beside the one that is asked.
const listLength = 20_000

// killing is what the kills share: two policies that differ in the allowed client, wan or
// wan2, among 20,000 others.
type killing struct {
	lists [2]string
	wants [2]string // what the agent keeps in the kernel under each
	now   int       // the one on disk
	takes time.Duration
	dice  *rand.Rand
	found [2]int // how many were found under the old policy, and the new
}

func killFaults() []fault {
	kill := fault{
		name:  "agentd killed (-9) at a random instant of a policy change, a list of 20,000 addresses",
		short: 14, full: 200, limit: 5 * time.Second,
		prepare: prepareKills, do: (*ground).killOnce, whole: (*ground).whole, reached: (*ground).judged, from: "lan",
		finish: (*ground).noLists,
	}
	slow := kill
	slow.name = "the same, and every iptables-restore takes 300 ms longer"
	slow.short, slow.full, slow.limit = 4, 200, 10*time.Second
	slow.prepare = func(g *ground) {
		g.wrapRestore("sleep 0.3")
		prepareKills(g)
	}
	slow.finish = func(g *ground) {
		g.unwrapRestore()
		g.noLists()
	}
	return []fault{kill, slow}
}

func prepareKills(g *ground) {
	g.t.Helper()
	k := killing{dice: rand.New(rand.NewPCG(1, 2))}
	for i, allowed := range []string{"192.0.2.10\n2001:db8:1::10\n", "192.0.2.20\n2001:db8:1::20\n"} {
		var list strings.Builder
		for n := range listLength / 2 {
			fmt.Fprintf(&list, "10.%d.%d.%d\n", i, n>>8, n&255)
			fmt.Fprintf(&list, "2001:db8:%x::%x\n", 0x1000+i, n)
		}
		k.lists[i] = list.String() + allowed
	}
	g.kills = k
	g.writeList(0)
	g.WriteConfig(byList)
	for i := range 3 {
		before := g.status().Generation
		began := time.Now()
		g.writeList(i % 2)
		if i == 0 {
			before = 0 // it may be in force already
		}
		_, err := until(20*time.Second, func() error {
			if st := g.status(); st.State != "enforcing" || st.Generation <= before {
				return fmt.Errorf("generation %d, %s %v", st.Generation, st.State, st.Reasons)
			}
			return g.allows(i % 2)
		})
		if err != nil {
			g.t.Fatalf("list %d is not in force: %v", i%2, err)
		}
		g.kills.takes = time.Since(began)
		g.settled()
		g.kills.wants[i%2] = g.want
	}
}

// writeList replaces the list, whole.
func (g *ground) writeList(i int) {
	g.t.Helper()
	path := filepath.Join(filepath.Dir(g.ConfigPath()), "list.cidr")
	if err := os.WriteFile(path+".new", []byte(g.kills.lists[i]), 0o644); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		g.t.Fatal(err)
	}
	g.kills.now, g.want = i, g.kills.wants[i]
}

// killOnce changes the policy, kills the agent at some moment, asks with
// packets, and starts another agent.
func (g *ground) killOnce(int) {
	g.t.Helper()
	old := g.kills.now
	g.writeList(1 - old)
	time.Sleep(time.Duration(g.kills.dice.Int64N(int64(g.kills.takes)))) // what is tested is any moment
	g.agent.Kill()
	g.noTools()
	switch {
	case g.allows(old) == nil:
		g.kills.found[0]++
	case g.allows(1-old) == nil:
		g.kills.found[1]++
	default:
		g.between(old)
	}
	g.note = fmt.Sprintf(" (found: %d old, %d new)", g.kills.found[0], g.kills.found[1])
	g.launch()
}

// between judges a kill that was neither wholly before nor wholly after: one
// family may be before its flip and the other after, but each is one of both.
func (g *ground) between(old int) {
	g.t.Helper()
	for _, family := range []int{4, 6} {
		if err := g.allows(old, family); err != nil {
			if again := g.allows(1-old, family); again != nil {
				g.t.Errorf("after a kill IPv%d is under neither policy: %v; %v", family, err, again)
			}
		}
	}
	g.kills.found[1]++
}

// allows is nil when the list is what packets meet, in these families or both.
func (g *ground) allows(list int, families ...int) error {
	g.t.Helper()
	if families == nil {
		families = []int{4, 6}
	}
	var asks []lab.Ask
	for _, family := range families {
		for _, name := range []string{"wan", "wan2"} {
			asks = append(asks, lab.Ask{From: g.Client(name), Proto: "tcp", Addr: g.HostAddr("eth0", family), Port: port})
		}
	}
	for i, r := range g.DialAll(asks) {
		if want := i%2 == list; r.OK != want {
			return fmt.Errorf("%s, want it to pass: %v: %s", asks[i], want, r)
		}
	}
	return nil
}

// judged is nil when the policy on disk is what packets meet.
func (g *ground) judged() error { return g.allows(g.kills.now) }

// noTools waits until what the agent started has ended: a kill does not end it.
func (g *ground) noTools() {
	g.t.Helper()
	_, err := until(20*time.Second, func() error {
		out, _, _ := g.TryHost("sh", "-c", "cat /proc/[0-9]*/comm 2>/dev/null")
		for name := range strings.Lines(out) {
			if strings.HasPrefix(name, "ip") && strings.Contains(name, "table") || strings.HasPrefix(name, "ipset") || strings.HasPrefix(name, "xtables") {
				return fmt.Errorf("%s still runs", strings.TrimSpace(name))
			}
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// noLists goes back to the policy of the other faults.
func (g *ground) noLists() {
	g.t.Helper()
	g.WriteConfig(onlyWan)
	for _, try := range []func() error{g.asTheFileSays, g.reached} {
		if _, err := until(20*time.Second, try); err != nil {
			g.t.Fatal(err)
		}
	}
	g.settled()
}
