package iptables_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"
)

// mailcow is what its netfilter keeps first in INPUT and FORWARD, with two banned hosts.
const mailcow = ":MAILCOW - [0:0]\n-A MAILCOW -s 198.51.100.7/32 -j REJECT --reject-with icmp-port-unreachable\n-A MAILCOW ! -i br-mailcow -o br-mailcow -p tcp -m multiport --dports 3306,6379 -j DROP\n-A MAILCOW -j RETURN\n"

// What can only refuse, return or log may stand before dockwall's jumps; what can accept,
// or has packets miss them, may not.
func TestHarmlessRulesStayFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		chains, first string
		stays         bool
	}{
		"mailcow":                           {mailcow, "-j MAILCOW", true},
		"a log":                             {"", "-i eth7 -j LOG", true},
		"a count":                           {"", "-i eth7", true},
		"a refusal":                         {"", "-s 198.51.100.7/32 -j REJECT --reject-with tcp-reset", true},
		"an accept":                         {"", "-i eth7 -j ACCEPT", false},
		"a return, which misses the jump":   {"", "-i eth7 -j RETURN", false},
		"a queue":                           {"", "-j NFQUEUE --queue-num 0", false},
		"an accept two chains further":      {":A - [0:0]\n:B - [0:0]\n-A A -j B\n-A B -i eth7 -j ACCEPT\n", "-j A", false},
		"refusals two chains further":       {":A - [0:0]\n:B - [0:0]\n-A A -g B\n-A B -i eth7 -j DROP\n", "-j A", true},
		"a goto, which never comes back":    {":A - [0:0]\n-A A -i eth7 -j DROP\n", "-g A", false},
		"a chain that leads to itself":      {":A - [0:0]\n:B - [0:0]\n-A A -j B\n-A B -j A\n", "-j A", false},
		"a comment that looks like a drop":  {"", `-m comment --comment "-j DROP" -j ACCEPT`, false},
		"a chain with the name of a target": {":LOGDROP - [0:0]\n-A LOGDROP -j ACCEPT\n", "-j LOGDROP", false},
	} {
		for _, base := range []string{"INPUT", "DOCKER-USER", "FORWARD"} {
			t.Run(name+"/"+base, func(t *testing.T) { firstIn(t, base, tt.chains, tt.first, tt.stays) })
		}
	}
}

// firstIn has another program put a rule first in a chain, and repairs twice.
func firstIn(t *testing.T, base, chains, first string, stays bool) {
	k := ruletest.NewKernel(iptables.NFT)
	o := iptables.Options{Variant: iptables.NFT, Guard: true}
	do := func(script string) {
		t.Helper()
		if err := k.Run(plan.Step{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*filter\n" + script + "COMMIT\n"}}}); err != nil {
			t.Fatal(err)
		}
	}
	do(":DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER\n" + chains)
	repair := func() (steps int) {
		st, err := k.State()
		if err != nil {
			t.Fatal(err)
		}
		p := iptables.Diff(hooked(), st, o)
		if err := k.RunAll(all(p)); err != nil {
			t.Fatal(err)
		}
		return len(p.Steps)
	}
	repair()
	before := k.Save(4)
	do(fmt.Sprintf("-I %s 1 %s\n", base, first))
	if n := repair(); (n == 0) != stays {
		t.Errorf("the repair has %d steps, left where it is %t:\n%s", n, stays, k.Save(4))
	}
	if n := repair(); n != 0 {
		t.Errorf("a second repair has %d steps", n)
	}
	rules := slices.DeleteFunc(strings.Split(k.Save(4), "\n"), func(l string) bool { return !strings.HasPrefix(l, "-A "+base+" ") })
	if (rules[0] == "-A "+base+" "+first) != stays {
		t.Errorf("%q is first", rules[0])
	}
	do(fmt.Sprintf("-D %s %s\n", base, first))
	if repair(); k.Save(4) != before {
		t.Errorf("without the rule it is\n%s\nand was\n%s", k.Save(4), before)
	}
}

// Before names the chains whose rules packets meet before dockwall's, and no others.
func TestBefore(t *testing.T) {
	tables, err := iptables.ParseSave("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n:C - [0:0]\n:F - [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n:DOCKWALL-INPUT - [0:0]\n" +
		"-A INPUT -j A\n-A INPUT -m comment --comment \"dockwall:jump\" -j DOCKWALL-INPUT\n-A INPUT -j C\n-A A -j B\n-A B -j A\n-A FORWARD -j F\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER\nCOMMIT\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := iptables.Before(tables[0]); !slices.Equal(got, []string{"A", "B", "F"}) {
		t.Errorf("the chains before dockwall's are %q", got)
	}
}

// hooked is a ruleset that refuses everything in both hooks.
func hooked() rules.Ruleset {
	deny := []rules.Rule{{Verdict: rules.Verdict{Kind: rules.Drop}}}
	return rules.Ruleset{
		Chains: []rules.Chain{{Name: "DOCKWALL-FORWARD", Rules: deny}, {Name: "DOCKWALL-INPUT", Rules: deny}},
		Hooks:  []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-FORWARD"}, {Base: rules.BaseInput, Chain: "DOCKWALL-INPUT"}},
	}
}
