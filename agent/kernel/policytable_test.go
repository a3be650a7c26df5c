package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"dockwall/agent/kernel/nftlink"
	"dockwall/rules"
	contract "dockwall/rules/backend"
	iptables "dockwall/rules/backend/iptables"
	"dockwall/rules/nft"
	"dockwall/rules/plan"
)

// onNFTables chooses the backend.
func onNFTables(t *testing.T, k *Kernel) contract.Backend {
	t.Helper()
	b, err := k.Backends().Choose(t.Context(), contract.Wish{Backend: "nftables"})
	must(t, err)
	if b.Name() != "nftables" || !b.Limits().Native || b.Limits().SetsWord() != "nftables" {
		t.Fatalf("the backend is %s, with %+v", b.Name(), b.Limits())
	}
	return b
}

// brought brings the kernel to the ruleset, and reads it back.
func brought(t *testing.T, k *Kernel, b contract.Backend, rs rules.Ruleset) contract.State {
	t.Helper()
	st, err := k.Backends().Observe(t.Context(), b)
	must(t, err)
	p, next := b.Diff(rs, st)
	must(t, k.Run(t.Context(), p))
	if holds, err := k.Backends().Holds(t.Context(), next); !holds || err != nil {
		t.Errorf("after the run the kernel does not hold it: %v", err)
	}
	st, err = k.Backends().Observe(t.Context(), b)
	must(t, err)
	if rest, _ := b.Diff(rs, st); !rest.Empty() {
		t.Errorf("there is a rest:\n%s", rest)
	}
	return st
}

// Without any program of iptables, ipset or nftables everything works, and no process is
// started: none could be.
func TestNFTablesNeedsNoProgram(t *testing.T) {
	k := inNamespace(t)
	t.Setenv("PATH", t.TempDir())
	for _, w := range []contract.Wish{{Backend: "nftables"}, {Backend: "auto"}, {Backend: "auto", NFTables: true, EngineVersion: "29.7.2"}} {
		b, err := k.Backends().Choose(t.Context(), w)
		if err != nil || b.Name() != "nftables" {
			t.Fatalf("%+v: %v, %v", w, b, err)
		}
	}
	b := onNFTables(t, k)
	st := brought(t, k, b, small())
	must(t, k.RemoveOther(t.Context(), b.Name()))
	if changed, err := k.Backends().Probe(t.Context(), st, true); changed || err != nil {
		t.Errorf("something changed: %v", err)
	}
	if _, err := k.Backends().Counters(t.Context(), b, 4); err != nil {
		t.Error(err)
	}
	if sets, entries, err := k.Backends().SetSizes(t.Context(), b); sets == 0 || entries != 3 || err != nil {
		t.Errorf("%d sets, %d entries, %v", sets, entries, err)
	}
	if changed, err := k.RemoveAll(t.Context()); !changed || err != nil {
		t.Errorf("%v, %v", changed, err)
	}
	if changed, err := k.RemoveAll(t.Context()); changed || err != nil {
		t.Errorf("there is a rest: %v, %v", changed, err)
	}
}

// auto takes iptables where it is whole and Docker uses it.
func TestAutoKeepsIptables(t *testing.T) {
	k := inNamespace(t)
	for _, w := range []contract.Wish{{}, {Backend: "auto", Sets: "auto", EngineVersion: "28.5.2"}, {Backend: "auto", Sets: "inline"}} {
		b, err := k.Backends().Choose(t.Context(), w)
		if err != nil || b.Name() == "nftables" {
			t.Errorf("%+v: %v, %v", w, b, err)
		}
	}
	if err := missingExtension(); err != nil {
		t.Error(err)
	}
}

// A change of the backend leaves nothing of the other one, in both directions.
func TestOtherBackendIsLeft(t *testing.T) {
	k := inNamespace(t)
	apply(t, k, small(), iptables.Options{Variant: iptables.NFT, Guard: true})
	b := onNFTables(t, k)
	brought(t, k, b, small())
	must(t, k.RemoveOther(t.Context(), b.Name()))
	if s := saved(t); strings.Contains(strings.ToLower(s), "dockwall") {
		t.Errorf("iptables still holds\n%s", s)
	}
	if got := sh(t, "nft list tables"); !strings.Contains(got, "table inet "+PolicyTable+"\n") {
		t.Errorf("the policy is gone: %s", got)
	}
	apply(t, k, small(), iptables.Options{Variant: iptables.NFT, Guard: true})
	must(t, k.RemoveOther(t.Context(), string(iptables.NFT)))
	if got := sh(t, "nft list tables"); strings.Contains(got, PolicyTable) {
		t.Errorf("nftables still holds %s", got)
	}
}

// Another program's table of this name is named, and nothing touches it.
func TestForeignTableIsNamed(t *testing.T) {
	k := inNamespace(t)
	b := onNFTables(t, k)
	sh(t, "nft 'table inet dockwall { chain mine { type filter hook input priority 0; policy accept; tcp dport 22 accept; }; }'")
	before := sh(t, "nft list ruleset")
	_, err := k.Backends().Observe(t.Context(), b)
	if !errors.Is(err, ErrForeignTable) || !strings.Contains(err.Error(), `the chain "mine"`) {
		t.Errorf("reading it: %v", err)
	}
	p, _ := b.Diff(small(), nil)
	if err := k.Run(t.Context(), p); !errors.Is(err, ErrForeignTable) {
		t.Errorf("writing over it: %v", err)
	}
	must(t, k.RemoveOther(t.Context(), string(iptables.NFT)))
	if changed, err := k.RemoveAll(t.Context()); changed || err != nil {
		t.Errorf("removing: %v, %v", changed, err)
	}
	if now := sh(t, "nft list ruleset"); now != before {
		t.Errorf("it is now\n%s", now)
	}
}

// The latch of a killed agent is no policy and a policy is no latch, though both have the
// name; a policy takes the latch's place in one transaction.
func TestLatchIsNoPolicy(t *testing.T) {
	k := inNamespace(t)
	var l Latch
	must(t, l.Shut(latched()))
	l.conn.CloseLasting() // as a kill does
	if !strings.Contains(sh(t, "nft list tables"), "inet dockwall") {
		t.Skip("this kernel's latch goes with its process (before Linux 6.9)")
	}
	b := onNFTables(t, k)
	brought(t, k, b, small())
	if removed, err := RemoveLatch(); removed || err != nil {
		t.Errorf("a policy is taken for a latch: %v, %v", removed, err)
	}
	if err := (&Latch{}).Shut(latched()); err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("a latch takes the policy's place: %v", err)
	}
	beside := k.Latch()
	must(t, beside.Shut(latched()))
	if got := sh(t, "nft list tables"); !strings.Contains(got, "inet "+LatchBesideTable) || !strings.Contains(got, "inet dockwall\n") {
		t.Errorf("the tables are %s", got)
	}
	must(t, beside.Lift())
}

// No other program can change a policy that this process holds. The policy outlives the
// process, and the next one takes it over.
func TestHeldTable(t *testing.T) {
	k := inNamespace(t)
	k.Hold()
	b := onNFTables(t, k)
	if !b.Limits().Owned {
		t.Skip("this kernel has no persistent tables (Linux 6.9)")
	}
	brought(t, k, b, small())
	before := sh(t, "nft list table inet dockwall")
	sh(t, "iptables-nft -A FORWARD -j ACCEPT; nft flush ruleset")
	if now := sh(t, "nft list table inet dockwall"); now != before {
		t.Errorf("after a flush of everything it is\n%s", now)
	}
	other := New(hclog.NewNullLogger())
	ob := onNFTables(t, other)
	st, err := other.Backends().Observe(t.Context(), ob)
	must(t, err)
	p, _ := ob.Diff(rules.Ruleset{}, st)
	if err := other.Run(t.Context(), p); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "systemctl reload dockwall") {
		t.Errorf("another process removes it: %v", err)
	}
	k.policy.release() // as the end of the process does
	next := New(hclog.NewNullLogger())
	next.Hold()
	nb := onNFTables(t, next)
	st, err = next.Backends().Observe(t.Context(), nb)
	must(t, err)
	if rest, _ := nb.Diff(small(), st); !rest.Empty() {
		t.Errorf("the next process finds a rest:\n%s", rest)
	}
	must(t, next.RemoveOther(t.Context(), nb.Name()))
	if next.policy.conn == nil {
		t.Error("the next process does not own the table")
	}
	if err := other.Run(t.Context(), p); !errors.Is(err, unix.EPERM) {
		t.Errorf("another process removes it again: %v", err)
	}
	if changed, err := next.RemoveAll(t.Context()); !changed || err != nil {
		t.Errorf("its owner removes it: %v, %v", changed, err)
	}
}

// What other programs do to the table is repaired.
func TestTableIsRepaired(t *testing.T) {
	for _, harm := range []string{"nft flush ruleset", "nft flush table inet dockwall", "nft 'delete table inet dockwall; add table inet dockwall { flags dormant; }'", "nft 'chain inet dockwall forward { policy drop; }'",
		"nft 'add set inet dockwall x { type ipv4_addr; flags timeout; }'", "nft add chain inet dockwall x", "nft insert rule inet dockwall forward accept"} {
		k := inNamespace(t)
		b := onNFTables(t, k)
		st := brought(t, k, b, small())
		before := sh(t, "nft list table inet dockwall")
		sh(t, harm)
		if changed, err := k.Backends().Probe(t.Context(), st, true); !changed || err != nil {
			t.Errorf("%s: not seen (%v)", harm, err)
		}
		brought(t, k, b, small())
		if now := sh(t, "nft list table inet dockwall"); now != before {
			t.Errorf("%s: afterwards it is\n%s\nbefore it was\n%s", harm, now, before)
		}
	}
}

// A rule that the kernel refuses is named with the line of the policy, and nothing of the
// plan is in force.
func TestRefusedOperationIsReportedAtItsPlace(t *testing.T) {
	k := inNamespace(t)
	b := onNFTables(t, k)
	brought(t, k, b, small())
	before := sh(t, "nft list table inet dockwall")
	next := small()
	next.Chains[0].Rules[1].Verdict.Kind = rules.Return
	st, err := k.Backends().Observe(t.Context(), b)
	must(t, err)
	p, _ := b.Diff(next, st)
	step := &p.Steps[len(p.Steps)-1]
	edit := step.Action.(plan.EditTable)
	edit.Ops = slices.Clone(edit.Ops)
	at := slices.IndexFunc(edit.Ops, func(op nft.Op) bool { _, is := op.(nft.AddRule); return is })
	edit.Ops[at] = nft.AddRule{Chain: "nowhere", Rule: edit.Ops[at].(nft.AddRule).Rule}
	edit.Origins = map[int]rules.Origin{at: {File: "agent.hcl", Line: 12}}
	step.Action = edit
	err = k.Run(t.Context(), p)
	var se *StepError
	if !errors.As(err, &se) || !se.RolledBack || se.Origin.Line != 12 || !strings.HasPrefix(err.Error(), "agent.hcl:12: ") || !strings.Contains(err.Error(), "chain nowhere") {
		t.Errorf("the error is %v", err)
	}
	if now := sh(t, "nft list table inet dockwall"); now != before {
		t.Errorf("afterwards it is\n%s", now)
	}
}

// A kernel that cannot report packets refuses the rules that do, and says so.
func TestRefusedLog(t *testing.T) {
	log := nft.AddRule{Chain: "c", Rule: nft.Rule{Statements: nft.Statements{nft.Log{Group: 1}}}}
	for _, tt := range []struct {
		op   nft.Op
		err  error
		want bool
	}{{log, unix.ENOENT, true}, {log, unix.EINVAL, false}, {nft.AddRule{}, unix.ENOENT, false}} {
		kind, lacks := (&StepError{op: tt.op, Err: &nftlink.OpError{Op: tt.op, Err: tt.err}}).Lacks()
		if lacks != tt.want || lacks && kind != rules.Log {
			t.Errorf("%+v, %v: %s, %v", tt.op, tt.err, kind, lacks)
		}
	}
}
