package e2e_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// repairTime is how long a test waits for a repair. It is no goal: a busy machine
// may need longer than users see.
const repairTime = 30 * time.Second

// tamperings are what other programs and people do to a host's rules.
var tamperings = []struct{ name, script string }{
	{"jump removed", "iptables -D FORWARD -j DOCKER-USER"},
	{"DOCKER-USER flushed", "iptables -F DOCKER-USER"},
	{"FORWARD flushed, as firewalld reloads", "iptables -F FORWARD; ip6tables -F FORWARD"},
	{"an ACCEPT put above everything", "iptables -I FORWARD -j ACCEPT; ip6tables -I INPUT -j ACCEPT"},
	{"OUTPUT flushed", "iptables -F OUTPUT; ip6tables -F OUTPUT"},
	{"a rule of ours removed", "iptables -D DOCKWALL-PUBLISHED 1; ip6tables -D DOCKWALL-INPUT 1"},
	{"everything flushed", "iptables -F; ip6tables -F; iptables -X DOCKWALL-PUBLISHED 2>/dev/null; true"},
	{"the rules as they were before the agent restored", "iptables-restore </run/before4; ip6tables-restore </run/before6"},
}

// TestTampering undoes what the agent did in every way that others do it, on
// both variants of iptables, and takes the time until it is put back.
func TestTampering(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			l := lab.New(t, lab.Options{Variant: variant})
			l.RunContainer(lab.Spec{Name: "web", Network: six(l, 1), Publish: []string{"8080:80"}})
			l.Host("sh", "-c", "iptables-save >/run/before4; ip6tables-save >/run/before6")
			l.Agentd(onlyWan + "firewall {\n  resync = \"3s\"\n}\n")
			must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, "web")
			for _, c := range tamperings {
				tamper(t, l, c.name, c.script)
			}
			// The kernel tells nobody of this: it is found by the next full look.
			tamper(t, l, "the sets emptied", "for s in $(ipset list -n | grep ^dockwall); do ipset flush $s; done")
			if variant == "nft" {
				tamper(t, l, "nft flush ruleset", "nft flush ruleset")
			}
		})
	}
}

func tamper(t *testing.T, l *lab.Lab, name, script string) {
	t.Helper()
	want := lab.Owned(l.Save())
	began := time.Now()
	l.Host("sh", "-c", script)
	for {
		diff := cmp.Diff(want, lab.Owned(l.Save()))
		took := time.Since(began).Round(time.Millisecond)
		if diff == "" {
			t.Logf("%-50s repaired after %v", name, took)
			break
		}
		if took > repairTime {
			t.Errorf("%s: not repaired after %v (-want +got):\n%s", name, took, diff)
			break
		}
	}
	for _, family := range []int{4, 6} {
		if r := l.Client("wan2").Dial("tcp", l.HostAddr("eth0", family), 8080); r.OK {
			t.Errorf("%s: after the repair wan2 gets through over IPv%d: %s", name, family, r)
		}
	}
	l.TryHost("sh", "-c", "iptables -D FORWARD -j ACCEPT; ip6tables -D INPUT -j ACCEPT")
}

// TestFlushUnderFlood flushes the filter tables again and again while a client
// that no policy names keeps trying: until the rules are back the guard holds.
func TestFlushUnderFlood(t *testing.T) {
	oneByOne(t, wanted[:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		l.RunContainer(lab.Spec{Name: "web", Network: six(l, 1), Publish: []string{"8080:80"}})
		l.Agentd(onlyWan)
		var floods []*lab.Flood
		for _, family := range []int{4, 6} {
			floods = append(floods, l.Client("wan2").Flood("tcp", l.HostAddr("eth0", family), 8080, floodFor))
		}
		for range 5 {
			l.Host("sh", "-c", "iptables -F; ip6tables -F")
			time.Sleep(500 * time.Millisecond)
		}
		through(t, 0, floods...)
	})
}
