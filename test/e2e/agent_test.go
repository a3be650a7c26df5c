package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// inForce is how long a test waits for a new policy. It is no goal: what a change
// takes is measured by the bench.
const inForce = 15 * time.Second

// TestPolicyChange replaces the file again and again, and takes the time until
// packets meet the new policy.
func TestPolicyChange(t *testing.T) {
	oneByOne(t, wanted[:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
		open := `published "web" { from = ["any"] }` + "\n"
		l.Agentd(open)
		wan := l.Client("wan")
		var worst time.Duration
		for i := range 6 {
			config, want := "", false
			if i%2 == 1 {
				config, want = open, true
			}
			l.WriteConfig(config)
			worst = max(worst, untilVerdict(t, wan, l.HostAddr("eth0", 4), want))
		}
		t.Logf("a new policy was in force after %v at most", worst.Round(time.Millisecond))
	})
}

// TestKilledAnytime kills the agent at many moments of its start. Nothing opens
// by that, and the next one puts all in order.
func TestKilledAnytime(t *testing.T) {
	l := lab.New(t, lab.Options{})
	l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	l.Agentd(onlyWan).Kill()
	want := lab.Owned(l.Save())
	flood := l.Client("wan2").Flood("tcp", l.HostAddr("eth0", 4), 8080, floodFor)
	for i := range 12 {
		a := l.LaunchAgentd()
		for a.PID() == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(i) * 15 * time.Millisecond) // what is tested is any moment
		a.Kill()
	}
	through(t, 0, flood)
	l.LaunchAgentd().WaitState("enforcing")
	if diff := cmp.Diff(want, lab.Owned(l.Save())); diff != "" {
		t.Errorf("after the kills the rules are others (-before +after):\n%s", diff)
	}
}

// TestLongList holds a list that is longer than ipset's default size, and a
// policy whose last entry decides.
func TestLongList(t *testing.T) {
	l := lab.New(t, lab.Options{})
	l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	var list strings.Builder
	for i := range 70000 {
		fmt.Fprintf(&list, "10.%d.%d.%d/32\n", i>>16, i>>8&255, i&255)
	}
	list.WriteString("192.0.2.10\n")
	path := filepath.Join(filepath.Dir(l.ConfigPath()), "long.cidr")
	if err := os.WriteFile(path, []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	l.Agentd("addresses \"long\" { file = \"long.cidr\" }\npublished \"web\" { from = [addresses.long] }\n")
	four := l.HostAddr("eth0", 4)
	must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: four, Port: 8080}, "web")
	if r := l.Client("wan2").Dial("tcp", four, 8080); r.OK {
		t.Errorf("wan2, which is not on the list: %s", r)
	}
}
