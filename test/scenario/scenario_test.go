package scenario_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/scenario"
)

func load(t *testing.T) []scenario.Scenario {
	t.Helper()
	all, err := scenario.Load(os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTraps checks that every trap of the checklist is covered: by a scenario,
// or by what elsewhere.txt names.
func TestTraps(t *testing.T) {
	const traps = 67
	covered := make([]bool, traps+1)
	for _, s := range load(t) {
		for _, n := range s.Traps {
			if n < 1 || n > traps {
				t.Errorf("%s: there is no trap %d", s.Name, n)
				continue
			}
			covered[n] = true
		}
	}
	text, err := os.ReadFile("testdata/elsewhere.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^([0-9]+) (\S.*)$`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		covered[n] = true
	}
	for n, ok := range covered[1:] {
		if !ok {
			t.Errorf("trap %d is covered by no scenario, and elsewhere.txt does not say why", n+1)
		}
	}
}

// TestEveryScenarioAsserts checks that no scenario can pass by doing nothing.
func TestEveryScenarioAsserts(t *testing.T) {
	for _, s := range load(t) {
		if !slices.ContainsFunc(s.Steps, func(step scenario.Step) bool {
			switch step.Do.(type) {
			case scenario.Expect, scenario.Eventually, scenario.Flood, scenario.Status, scenario.Gone, scenario.Remembered:
				return true
			}
			return false
		}) {
			t.Errorf("%s expects nothing", s.Name)
		}
	}
}

const small = `# What is promised.
# Traps 1-3, 7: why.
engines 20.10 28+
dockerd --live-restore
own host

run web -p 8080:80 --network front   # a comment
flood wan tcp4 host:8080 and wan2 udp6 [::1]:53 during {
  docker network create x
} expect 0
expect[<28] wan tcp6 web@front:80 allow
-- agent.hcl --
published "web" {}
`

func TestParse(t *testing.T) {
	got, err := scenario.Parse("small.txtar", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	before28, err := scenario.ParseCondition("<28")
	if err != nil {
		t.Fatal(err)
	}
	flood := scenario.Flood{
		Asks: []scenario.Ask{
			{From: "wan", Proto: "tcp", Family: 4, Place: scenario.Place{Name: "host"}, Port: 8080, Text: "wan tcp4 host:8080"},
			{From: "wan2", Proto: "udp", Family: 6, Place: scenario.Place{Address: "::1"}, Port: 53, Text: "wan2 udp6 [::1]:53"},
		},
		Steps: []scenario.Step{{Line: 9, Do: scenario.Docker{Args: []string{"network", "create", "x"}}}},
	}
	want := []scenario.Step{
		{Line: 7, Do: scenario.Run{Name: "web", Options: []string{"-p", "8080:80", "--network", "front"}, Listen: "tcp:80,udp:80"}},
		{Line: 8, Do: flood},
		{Line: 11, When: []scenario.Condition{before28}, Do: scenario.Expect{
			Ask: scenario.Ask{From: "wan", Proto: "tcp", Family: 6, Place: scenario.Place{Name: "web", Network: "front"},
				Port: 80, Text: "wan tcp6 web@front:80"},
			Verdict: scenario.Verdict{Allow: true, Server: "web"},
		}},
	}
	if diff := cmp.Diff(want, got.Steps, cmp.AllowUnexported(scenario.Condition{})); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 7}, got.Traps); diff != "" {
		t.Errorf("traps (-want +got):\n%s", diff)
	}
	if want := (scenario.Host{Dockerd: "--live-restore", Variant: "nft", Own: true}); got.Host != want {
		t.Errorf("host is %+v, want %+v", got.Host, want)
	}
	for engine, want := range map[string]bool{"20.10": true, "26.1": false, "28.0": true, "29.1": true} {
		if got.On(engine) != want {
			t.Errorf("on %s: %v, want %v", engine, !want, want)
		}
	}
}

// TestErrors checks that a mistake is named where it is.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"expct wan tcp4 host:80 deny", `x.txtar:2: there is no verb "expct"`},
		{"expect wan tcp host:80 deny", "want tcp4, tcp6, udp4, udp6, ping4 or ping6"},
		{"expect wan tcp4 host deny", "want PLACE:PORT"},
		{"expect wan tcp4 host:80000 deny", "value out of range"},
		{"expect wan tcp4 host:80 maybe", "want allow [NAME] or deny"},
		{"expect wan tcp4 [::1]:80 deny", "is not of IPv4"},
		{"expect wan ping6 127.0.0.1 deny", "is not of IPv6"},
		{"expect nobody tcp4 host:80 deny", `there is no "nobody"`},
		{"expect wan tcp4 nobody:80 deny", `there is no container "nobody"`},
		{"expect wan tcp4 gateway:80 deny", "only a container has a gateway"},
		{"expect[28 wan tcp4 host:80 deny", "want VERB[20.10,28+]"},
		{"expect[new] wan tcp4 host:80 deny", "want VERB[20.10,28+]"},
		{"write agent.hcl other.hcl", `there is no section "other.hcl"`},
		{"start agent", "there is no section agent.hcl"},
		{"start engine", "want agent or dockerd"},
		{"connection old lives", `there is no connection "old"`},
		{"within 5s rules as before", "no tampering came before"},
		{"flood wan tcp4 host:80 during {", "a { is not closed"},
		{"host echo 'x", "a quote is not closed"},
		{"stdout (", "missing closing"},
		{"run web -p 80:http", "invalid syntax"},
	} {
		_, err := scenario.Parse("x.txtar", []byte("# Head.\n"+c.line+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.txtar:") {
			t.Errorf("%s: error %q, want one with %q", c.line, err, c.want)
		}
	}
}
