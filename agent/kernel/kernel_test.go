package kernel

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/vishvananda/netns"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/test/nstest"
)

// inNamespace moves the test into a network namespace of its own. The thread
// ends with the test.
func inNamespace(t *testing.T) *Kernel {
	t.Helper()
	nstest.NeedRoot(t)
	runtime.LockOSThread()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return New(hclog.NewNullLogger())
}

// small is a ruleset with a rule and a set of either kind.
func small() rules.Ruleset {
	members := []rules.Member{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}, {Prefix: netip.MustParsePrefix("2001:db8::/64")}}
	content := rules.ContentName("a", rules.HashNet, members)
	return rules.Ruleset{
		Chains: []rules.Chain{
			{Name: "DOCKWALL-FORWARD", Rules: []rules.Rule{
				{Match: []rules.Match{rules.InSet{Set: content, Dims: []rules.Dim{rules.Src}}}, Verdict: rules.Verdict{Kind: rules.Return}, Origin: rules.Origin{Subject: rules.Subject{Kind: "published", Name: "a"}, File: "agent.hcl", Line: 3}},
				{Verdict: rules.Verdict{Kind: rules.Drop}, Origin: rules.Origin{Subject: rules.Subject{Kind: "defaults", Name: "published"}}}}},
			{Name: "DOCKWALL-INPUT", Rules: []rules.Rule{
				{Match: []rules.Match{rules.InSet{Set: "h-x", Dims: []rules.Dim{rules.Dst, rules.Dst}}}, Verdict: rules.Verdict{Kind: rules.Drop}, Origin: rules.Origin{Subject: rules.Subject{Kind: "defaults", Name: "published"}}}}},
		},
		Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-FORWARD"}, {Base: rules.BaseInput, Chain: "DOCKWALL-INPUT"},
			{Guard: true, Base: rules.BaseForward, Chain: "DOCKWALL-FORWARD"}, {Guard: true, Base: rules.BaseInput, Chain: "DOCKWALL-INPUT"}},
		Sets: []rules.Set{
			{Name: content, Type: rules.HashNet, Members: members},
			{Name: "h-x", Type: rules.HashNetPort, InPlace: true, Members: []rules.Member{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Proto: netinfo.TCP, Port: 8080}}},
		},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
	return string(out)
}

// saved is what both variants hold, without what changes by itself.
func saved(t *testing.T) string {
	t.Helper()
	return sh(t, `for c in iptables ip6tables; do $c-nft-save; $c-legacy-save; done | grep -v '^#'; ipset save`)
}

func apply(t *testing.T, k *Kernel, rs rules.Ruleset, o backend.Options) backend.State {
	t.Helper()
	st, err := k.Observe(t.Context(), o.Variant)
	must(t, err)
	must(t, k.Run(t.Context(), backend.Diff(rs, st, o)))
	st, err = k.Observe(t.Context(), o.Variant)
	must(t, err)
	if rest := backend.Diff(rs, st, o); !rest.Empty() {
		t.Fatalf("after the plan there is still to do: %+v", rest.Changes)
	}
	return st
}

// After Run nobody need read the rules to know that they hold, unless somebody
// else wrote, or took a member out of a set.
func TestHolds(t *testing.T) {
	for name, c := range map[string]struct {
		variant backend.Variant
		meddle  string
		want    bool
	}{
		"nobody wrote":                  {backend.NFT, "true", true},
		"nobody wrote, legacy":          {backend.Legacy, "true", false},
		"somebody wrote a rule":         {backend.NFT, "iptables-nft -I INPUT -j ACCEPT", false},
		"somebody wrote, and undid it":  {backend.NFT, "iptables-nft -I INPUT -j ACCEPT; iptables-nft -D INPUT -j ACCEPT", false},
		"somebody flushed a set":        {backend.NFT, "ipset flush dockwall4-h-x", false},
		"somebody changed a member":     {backend.NFT, "ipset add dockwall4-h-x 10.0.0.0/8,udp:1; ipset del dockwall4-h-x 0.0.0.0/1,tcp:8080", false},
		"somebody made a set":           {backend.NFT, "ipset create dockwall4-x hash:net", false},
		"somebody made a set elsewhere": {backend.NFT, "ipset create x hash:net", true},
	} {
		t.Run(name, func(t *testing.T) {
			k := inNamespace(t)
			o := backend.Options{Variant: c.variant, Guard: c.variant == backend.NFT}
			rs := small()
			// From nothing, and from other rules: that takes more steps.
			for range 2 {
				st, err := k.Observe(t.Context(), o.Variant)
				must(t, err)
				p, end := backend.DiffAdvance(rs, st, o)
				must(t, k.Run(t.Context(), p))
				sh(t, c.meddle)
				if got, err := k.Holds(t.Context(), end()); got != c.want || err != nil {
					t.Errorf("%v, %v, want %v", got, err, c.want)
				}
				sh(t, "ipset -quiet destroy dockwall4-x; ipset -quiet destroy x; true")
				rs.Chains[0].Rules = rs.Chains[0].Rules[1:]
				rs.Sets = rs.Sets[1:]
			}
		})
	}
}

func TestApplyAndRemove(t *testing.T) {
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		t.Run(string(v), func(t *testing.T) {
			k := inNamespace(t)
			before := saved(t)
			apply(t, k, small(), backend.Options{Variant: v, Guard: v == backend.NFT})
			if !strings.Contains(saved(t), "-j DOCKWALL-FORWARD") {
				t.Fatalf("not hooked:\n%s", saved(t))
			}
			changed, err := k.RemoveAll(t.Context())
			must(t, err)
			if after := emptied(saved(t), v); !changed || after != before {
				t.Errorf("removing left\n%s\nbefore it was\n%s", after, before)
			}
			if changed, err = k.RemoveAll(t.Context()); changed || err != nil {
				t.Errorf("a second removal found something: %v, %v", changed, err)
			}
		})
	}
}

// A set may be in use for a moment longer than the rule that looked at it.
func TestRemoveWaitsForSets(t *testing.T) {
	k := inNamespace(t)
	apply(t, k, small(), backend.Options{Variant: backend.NFT, Guard: true})
	sh(t, "iptables-nft -t mangle -A FORWARD -m set --match-set dockwall4-h-x dst,dst -j ACCEPT")
	later := exec.Command("sh", "-c", "sleep 0.3; iptables-nft -t mangle -D FORWARD 1")
	must(t, later.Start())
	changed, err := k.RemoveAll(t.Context())
	if !changed || err != nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	must(t, later.Wait())
	if left := sh(t, "ipset list -name"); left != "" {
		t.Errorf("these sets are left:\n%s", left)
	}
	// One that stays in use is an error, and named.
	apply(t, k, small(), backend.Options{Variant: backend.NFT, Guard: true})
	sh(t, "iptables-nft -t mangle -A FORWARD -m set --match-set dockwall4-h-x dst,dst -j ACCEPT")
	if _, err := k.RemoveAll(t.Context()); err == nil || !strings.Contains(err.Error(), "dockwall4-h-x") {
		t.Errorf("a set in use: %v", err)
	}
}

// emptied takes legacy tables away that hold nothing: the kernel keeps a table
// that was once used.
func emptied(save string, v backend.Variant) string {
	if v == backend.NFT {
		return save
	}
	var b strings.Builder
	for _, table := range strings.SplitAfter(save, "COMMIT\n") {
		if strings.Contains(table, "\n-A ") || strings.Contains(table, " - [") {
			b.WriteString(table)
		}
	}
	return b.String()
}

// Looking must not make a table: iptables-legacy-save -t would.
func TestObservingChangesNothing(t *testing.T) {
	k := inNamespace(t)
	before := saved(t)
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		st, err := k.Observe(t.Context(), v)
		must(t, err)
		if len(st.V4)+len(st.V6)+len(st.Sets) != 0 {
			t.Errorf("%s: an empty namespace holds %+v", v, st)
		}
		if changed, err := k.Probe(t.Context(), st, false); changed || err != nil {
			t.Errorf("%s: probing says %v, %v", v, changed, err)
		}
	}
	names, err := k.legacyNames(backend.V4)
	must(t, err)
	if len(names) != 0 || saved(t) != before {
		t.Errorf("looking made %v:\n%s", names, saved(t))
	}
}

func TestProbeSeesWhatNobodyIsToldOf(t *testing.T) {
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		for _, tc := range []struct{ what, script string }{
			{"a set emptied", "for s in $(ipset list -n | grep ^dockwall4-h); do ipset flush $s; done"},
			{"a member added", "ipset add $(ipset list -n | grep ^dockwall4-a) 203.0.113.0/24"},
			{"a legacy rule deleted", "iptables-legacy -w -F DOCKER-USER"},
			{"a legacy rule of IPv6 deleted", "ip6tables-legacy -w -F INPUT"},
			{"a legacy rule replaced by one as long", "iptables-legacy -w -R DOCKWALL-FORWARD 2 -j RETURN"},
		} {
			if v == backend.NFT && strings.Contains(tc.what, "legacy") {
				continue // nft gives notice of its changes
			}
			t.Run(string(v)+"/"+tc.what, func(t *testing.T) {
				k := inNamespace(t)
				st := apply(t, k, small(), backend.Options{Variant: v})
				if changed, err := k.Probe(t.Context(), st, false); changed || err != nil {
					t.Fatalf("before: %v, %v", changed, err)
				}
				sh(t, tc.script)
				if changed, err := k.Probe(t.Context(), st, false); !changed || err != nil {
					t.Errorf("not seen: %v, %v", changed, err)
				}
			})
		}
	}
}

func TestDetectGoesByDockersRules(t *testing.T) {
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		t.Run(string(v), func(t *testing.T) {
			k := inNamespace(t)
			sh(t, string(v)+" -N DOCKER")
			got, err := k.Detect(t.Context(), "auto")
			if err != nil || got != v {
				t.Errorf("Detect says %q, %v", got, err)
			}
		})
	}
	k := inNamespace(t)
	for _, bad := range []string{"nftables", "pf"} {
		if v, err := k.Detect(t.Context(), bad); err == nil {
			t.Errorf("%q is taken for %q", bad, v)
		}
	}
}

// What dockwall wrote itself is no sign of Docker.
func TestOwnDockerUserIsNoSignOfDocker(t *testing.T) {
	k := inNamespace(t)
	apply(t, k, small(), backend.Options{Variant: backend.Legacy})
	sh(t, "iptables-nft -N DOCKER")
	if got, err := k.Detect(t.Context(), "auto"); err != nil || got != backend.NFT {
		t.Errorf("Detect says %q, %v", got, err)
	}
	must(t, k.RemoveOther(t.Context(), string(backend.NFT)))
	if s := sh(t, "iptables-legacy-save; ip6tables-legacy-save"); strings.Contains(s, "DOCKWALL") {
		t.Errorf("the other variant still holds\n%s", s)
	}
}

// A line that the tool refuses is reported as the operator's, and nothing of
// the plan stays.
func TestRefusedLineIsReportedAtItsPlace(t *testing.T) {
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		t.Run(string(v), func(t *testing.T) {
			k := inNamespace(t)
			o := backend.Options{Variant: v}
			apply(t, k, small(), o)
			before := saved(t)
			st, err := k.Observe(t.Context(), v)
			must(t, err)
			next := small()
			next.Chains[0].Rules[1].Verdict.Kind = rules.Return
			p := backend.Diff(next, st, o)
			last := &p.Steps[len(p.Steps)-1]
			restore := last.Action.(plan.RestoreTable)
			body := restore.Script.Body
			at := strings.Index(body, "-A DOCKWALL-FORWARD")
			restore.Script.Body = body[:at] + strings.Replace(body[at:], "--match-set dockwall", "--match-set nosuch", 1)
			last.Action = restore
			err = k.Run(t.Context(), p)
			var se *StepError
			if !errors.As(err, &se) || !se.RolledBack {
				t.Fatalf("the error is %v", err)
			}
			if saved(t) != before {
				t.Errorf("the kernel is\n%s\nand was\n%s", saved(t), before)
			}
			if se.Line > 0 && se.Text != "" && se.Origin.Line != 3 {
				t.Errorf("the error is placed at %+v: %v", se.Origin, err)
			}
		})
	}
}

func TestFailedLine(t *testing.T) {
	for said, want := range map[string]int{
		"iptables-restore: line 12 failed": 12,
		"iptables-nft-restore v1.8.9 (nf_tables): \nline 7: RULE_APPEND failed (No such file or directory): rule in chain X":  7,
		"iptables-restore v1.8.9 (legacy): Set nosuch doesn't exist.\n\nError occurred at line: 5\nTry `iptables-restore -h'": 5,
		"ipset v7.17: Error in line 3: Element cannot be added to the set: it's already added":                                3,
		"Another app is currently holding the xtables lock":                                                                   0,
	} {
		if got := failedLine(said); got != want {
			t.Errorf("%q: line %d, want %d", said, got, want)
		}
	}
}

// A tool that hangs, fails or is missing is an error that says so, in time.
func TestToolsThatMisbehave(t *testing.T) {
	dir := t.TempDir()
	write := func(name, script string) {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	write("slow-restore", "exec sleep 10m")
	write("angry-restore", "echo 'line 2: no such thing' >&2; exit 4")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	k := New(hclog.NewNullLogger())
	k.timeout = 200 * time.Millisecond
	for tool, want := range map[string]string{"slow": "no end after 200ms", "angry": "no such thing", "missing-tool": "not found"} {
		err := k.step(context.Background(), restoring(tool))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", tool, err, want)
		}
	}
	if err := k.step(context.Background(), plan.Step{Action: plan.RestoreTable{Tool: "angry"}, MayFail: true}); err != nil {
		t.Errorf("a step that may fail: %v", err)
	}
}

func TestWatched(t *testing.T) {
	for p, want := range map[hostnet.Place]bool{
		{Family: 4, Table: "filter", Chain: "DOCKER-USER"}:      true,
		{Family: 6, Table: "filter", Chain: "INPUT"}:            true,
		{Family: 4, Table: "security", Chain: "FORWARD"}:        true,
		{Family: 4, Table: "filter", Chain: "DOCKWALL-FORWARD"}: true,
		{Family: 4, Table: "filter"}:                            true,
		{Family: 4, Table: "filter", Chain: "DOCKER"}:           false,
		{Family: 4, Table: "nat", Chain: "DOCKER"}:              false,
		{Family: 4, Table: "nat"}:                               false,
		{Family: 0, Table: "filter", Chain: "INPUT"}:            false,
	} {
		if got := Watched(p); got != want {
			t.Errorf("Watched(%+v) = %v", p, got)
		}
	}
}

func TestGuardOnLegacyOnlyWhereItIsNeeded(t *testing.T) {
	k := inNamespace(t)
	for _, tc := range []struct {
		v       backend.Variant
		version string
		want    bool
	}{{backend.NFT, "", true}, {backend.NFT, "20.10.24", true}, {backend.Legacy, "20.10.24", false}, {backend.Legacy, "28.5.2", true}, {backend.Legacy, "", false}} {
		o, err := k.Options(t.Context(), "auto", tc.v, tc.version)
		if err != nil || o.Guard != tc.want || o.Inline {
			t.Errorf("%s with Docker %q: %+v, %v", tc.v, tc.version, o, err)
		}
	}
}

// restoring is a step that runs another program than iptables-restore.
func restoring(tool string) plan.Step {
	return plan.Step{Action: plan.RestoreTable{Tool: tool, Script: plan.Script{Body: "*filter\n-A X\nCOMMIT\n"}}, Why: "testing"}
}
