package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/hashicorp/go-hclog"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/plan"
)

// Each tool's way to name a line leads to the rule's place in agent.hcl.
func TestRefusedRuleIsNamed(t *testing.T) {
	shop := rules.Origin{Subject: rules.Subject{Kind: "published", Name: "shop"}, File: "agent.hcl", Line: 31}
	body := "*filter\n:DOCKWALL-A - [0:0]\n-A DOCKWALL-A -j NFLOG --nflog-group 4778\nCOMMIT\n"
	step := plan.Step{Why: "writing IPv4's rules", Action: plan.RestoreTable{Script: plan.Script{Body: body, Lines: []rules.Origin{{}, {}, shop, {}}}}}
	for said, line := range map[string]int{
		"iptables-restore: line 3 failed":                                     3,
		"Error occurred at line: 3":                                           3,
		"line 3: RULE_APPEND failed (No such file or directory): rule in X":   3,
		"ipset v7.17: Error in line 3: Element cannot be added":               3,
		"iptables-restore: line 4 failed":                                     4,
		"iptables-restore v1.8.9 (nf_tables): unknown option \"--nflog-group": 0,
		"line 99 failed": 99,
		"":               0,
	} {
		se := refused(step, output{stderr: said}, errors.New(said))
		if se.Line != line {
			t.Errorf("%q: line %d, want %d", said, se.Line, line)
		}
		if named := line == 3; named != (se.Origin == shop) || named != (se.Text != "") {
			t.Errorf("%q: text %q of %+v", said, se.Text, se.Origin)
		}
		if line == 3 && !strings.HasPrefix(se.Error(), "agent.hcl:31: published.shop: writing IPv4's rules: ") {
			t.Errorf("the error is %q", se)
		}
	}
}

// Only what the tool says of NFLOG or CLASSIFY, or could mean, is taken for their lack.
func TestWhatTheHostLacks(t *testing.T) {
	logs, stamps := "-A X -j NFLOG --nflog-group 1\n", "-A X -j CLASSIFY --set-class 646f:7700\n"
	for _, tt := range []struct {
		body, text, said string
		want             rules.VerdictKind
	}{
		{logs, "", `Couldn't load target "NFLOG"`, rules.Log},
		{logs, "", `unknown option "--nflog-group"`, rules.Log},
		{logs, "-A X -j NFLOG --nflog-group 1", "line 1: RULE_APPEND failed (No such file or directory)", rules.Log},
		{logs, "-A X -j DROP", "line 2: RULE_APPEND failed (No such file or directory)", ""},
		{logs, "", "iptables-restore: No chain/target/match by that name", rules.Log},
		{stamps, "", "iptables-restore: No chain/target/match by that name", rules.Stamp},
		{stamps, "", `unknown option "--set-class"`, rules.Stamp},
		{"-A X -j DROP\n", "", "iptables-restore: No chain/target/match by that name", ""},
		{logs + stamps, "", "CLASSIFY: not supported", rules.Stamp},
		{logs, "", "Another app is currently holding the xtables lock", ""},
	} {
		se := &StepError{Step: plan.Step{Action: plan.RestoreTable{Script: plan.Script{Body: tt.body}}}, Text: tt.text, Err: errors.New(tt.said)}
		if got, lacks := se.Lacks(); got != tt.want || lacks != (tt.want != "") {
			t.Errorf("%q of %q: lacks %q, want %q", tt.said, tt.body, got, tt.want)
		}
	}
}

// A plan that fails in the middle is rolled back, one that fails before its steps is
// only tidied, and cancelling does not keep it from going back.
func TestFailedPlanGoesBack(t *testing.T) {
	waits := plan.Step{Why: "waiting", Action: plan.Settle{}}
	synctest.Test(t, func(t *testing.T) {
		k := New(hclog.NewNullLogger())
		k.timeout = time.Nanosecond // no program runs for as long
		took := func(p plan.Plan) (time.Duration, error) {
			start := time.Now()
			err := k.Run(t.Context(), p)
			return time.Since(start), err
		}
		if d, err := took(plan.Plan{Steps: []plan.Step{waits}, Cleanup: []plan.Step{waits}, Rollback: []plan.Step{waits, waits}}); err != nil || d != 2*settleTime {
			t.Errorf("a plan that succeeds took %v: %v", d, err)
		}
		before := k.generation
		d, err := took(plan.Plan{Prepare: []plan.Step{{Why: "nothing"}}, Steps: []plan.Step{waits}, Cleanup: []plan.Step{waits}, Rollback: []plan.Step{waits, waits}})
		if err == nil || d != settleTime || k.generation != before {
			t.Errorf("a plan that fails before its steps took %v: %v", d, err)
		}
		d, err = took(plan.Plan{Steps: []plan.Step{waits, {Why: "nothing"}, waits}, Cleanup: []plan.Step{waits}, Rollback: []plan.Step{waits, waits}})
		if err == nil || d != 3*settleTime {
			t.Errorf("a plan that fails in the middle took %v: %v", d, err)
		}
		d, err = took(plan.Plan{Steps: []plan.Step{{Why: "nothing"}}, Rollback: []plan.Step{{Why: "also nothing"}}})
		if err == nil || !strings.Contains(err.Error(), "going back failed too") {
			t.Errorf("a rollback that fails: %v after %v", err, d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(settleTime / 2); cancel() }()
		start := time.Now()
		err = k.Run(ctx, plan.Plan{Steps: []plan.Step{waits, waits}, Rollback: []plan.Step{waits}})
		if d := time.Since(start); !errors.Is(err, context.Canceled) || d != settleTime/2+settleTime {
			t.Errorf("cancelled, it took %v: %v", d, err)
		}
	})
}

// What may fail is tried again while its error is worth it, and given up with ctx.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worth, not := errors.New("busy"), errors.New("refused")
		calls := 0
		do := func(fail int, err error) func() error {
			calls = 0
			return func() error {
				if calls++; calls <= fail {
					return err
				}
				return nil
			}
		}
		is := func(err error) bool { return errors.Is(err, worth) }
		if err := again(t.Context(), 5, time.Second, is, do(4, worth)); err != nil || calls != 5 {
			t.Errorf("after four failures: %v, %d calls", err, calls)
		}
		if err := again(t.Context(), 5, time.Second, is, do(9, worth)); !errors.Is(err, worth) || calls != 5 {
			t.Errorf("after too many: %v, %d calls", err, calls)
		}
		if err := again(t.Context(), 5, time.Second, is, do(9, not)); !errors.Is(err, not) || calls != 1 {
			t.Errorf("not worth another try: %v, %d calls", err, calls)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if err := again(ctx, 5, time.Second, is, do(9, worth)); !errors.Is(err, worth) || calls != 2 {
			t.Errorf("cancelled: %v, %d calls", err, calls)
		}
	})
}

// The batch that deletes an empty table is bound to the generation, and refuses
// (NLM_F_NONREC) what is not empty.
func TestDeletionBatch(t *testing.T) {
	batch, err := deletion(6, "filter", []hostnet.NFTChain{{Name: "INPUT"}, {Name: "FORWARD"}}, true, 0x01020304)
	must(t, err)
	if len(batch) != 5 {
		t.Fatalf("%d messages", len(batch))
	}
	if b := batch[0]; b.Header.Type != unix.NFNL_MSG_BATCH_BEGIN || binary.BigEndian.Uint32(b.Data[8:]) != 0x01020304 || b.Data[3] != unix.NFNL_SUBSYS_NFTABLES {
		t.Errorf("it begins with %+v", b)
	}
	for i, name := range []string{"INPUT", "FORWARD"} {
		m := batch[i+1]
		if m.Header.Type != nftType(unix.NFT_MSG_DELCHAIN) || text(t, m, unix.NFTA_CHAIN_NAME) != name || text(t, m, unix.NFTA_CHAIN_TABLE) != "filter" || m.Data[0] != unix.AF_INET6 {
			t.Errorf("message %d is %+v", i+1, m)
		}
	}
	for _, m := range batch[1:4] {
		if want := netlink.Request | netlink.Acknowledge | unix.NLM_F_NONREC; m.Header.Flags != want {
			t.Errorf("flags %v, want %v", m.Header.Flags, want)
		}
	}
	if m := batch[3]; m.Header.Type != nftType(unix.NFT_MSG_DELTABLE) || text(t, m, unix.NFTA_TABLE_NAME) != "filter" || batch[4].Header.Type != unix.NFNL_MSG_BATCH_END {
		t.Errorf("it ends with %+v, %+v", m, batch[4])
	}
	for _, c := range []hostnet.NFTChain{{Name: "INPUT"}, {Name: "THEIRS", Base: true}, {Name: "FORWARD", Base: true, Drop: true}} {
		if err := builtinAndOpen(c); !errors.Is(err, ErrTableNotEmpty) {
			t.Errorf("%+v would be deleted: %v", c, err)
		}
	}
	must(t, builtinAndOpen(hostnet.NFTChain{Name: "FORWARD", Base: true}))
}

// Which bridges were switched survives the process, and a damaged file says so.
func TestSwitchedBridgesAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "bridges.json")
	b := &Bridges{kernel: New(hclog.NewNullLogger()), path: path}
	br := func(index int, name string, call4, call6 bool) hostnet.Bridge {
		return hostnet.Bridge{Index: index, Name: name, Call4: call4, Call6: call6}
	}
	a, c := br(3, "br-a", false, true), br(4, "br-c", false, false)
	must(t, b.keep([]hostnet.Bridge{a, c}, []hostnet.Bridge{a, c}))
	// Another program switched a off again; c has gone, and a new one has its name.
	must(t, b.keep([]hostnet.Bridge{a, br(9, "br-c", true, true)}, []hostnet.Bridge{br(3, "br-a", true, false)}))
	all, err := b.kept()
	must(t, err)
	if len(all) != 1 || all[0] != (switched{Index: 3, Name: "br-a", V4: true, V6: true}) {
		t.Errorf("kept are %+v", all)
	}
	must(t, b.write(nil))
	if all, err := b.kept(); err != nil || len(all) != 0 {
		t.Errorf("after taking back: %+v, %v", all, err)
	}
}

// Native nat rules are read as far as they are plain; the rest is marked.
func TestNativeRules(t *testing.T) {
	l4 := func(proto byte) []expr.Any {
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{proto})}
	}
	port := func(n uint16) []expr.Any {
		return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}, equal(binary.BigEndian.AppendUint16(nil, n))}
	}
	join := func(parts ...[]expr.Any) []expr.Any {
		var all []expr.Any
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	dnat := []expr.Any{&expr.Immediate{Register: 1, Data: []byte{172, 17, 0, 3}}, &expr.Immediate{Register: 2, Data: []byte{0, 80}},
		&expr.NAT{Type: expr.NATTypeDestNAT, RegAddrMin: 1, RegProtoMin: 2}}
	redirect := []expr.Any{&expr.Immediate{Register: 1, Data: []byte{0x15, 0xb3}}, &expr.Redir{RegisterProtoMin: 1}}
	plain := netinfo.Translation{Proto: netinfo.TCP, Lo: 81, Hi: 81, To: netip.MustParseAddr("172.17.0.3"), ToPort: 80}
	for _, tt := range []struct {
		name   string
		family nftables.TableFamily
		exprs  []expr.Any
		direct bool
		want   int // how many translations
		check  func(netinfo.Translation) bool
	}{
		{"dnat", nftables.TableFamilyIPv4, join(l4(6), port(81), dnat), true, 1, func(t netinfo.Translation) bool { t.Rule = ""; return t == plain }},
		{"dnat in a table of both families", nftables.TableFamilyINet, join(l4(6), port(81), dnat), true, 1, func(t netinfo.Translation) bool { return !t.V6 && !t.Unclear }},
		{"redirect in a table of both families", nftables.TableFamilyINet, join(l4(17), port(53), redirect), true, 2, func(t netinfo.Translation) bool { return t.Redirect && t.ToPort == 5555 && t.Proto == netinfo.UDP }},
		{"behind a jump", nftables.TableFamilyIPv4, join(l4(6), port(81), dnat), false, 1, func(t netinfo.Translation) bool { return t.Unclear }},
		{"with a source", nftables.TableFamilyIPv4, join([]expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}, equal([]byte{10, 0, 0, 1})}, dnat), true, 1, func(t netinfo.Translation) bool { return t.Unclear }},
		{"by a map", nftables.TableFamilyIPv4, join(l4(6), []expr.Any{&expr.Lookup{SetName: "m"}}, dnat), true, 1, func(t netinfo.Translation) bool { return t.Unclear }},
		{"another address from a set", nftables.TableFamilyIPv4, join(l4(6), port(81), []expr.Any{&expr.NAT{Type: expr.NATTypeDestNAT, RegAddrMin: 1}}), true, 1, func(t netinfo.Translation) bool { return t.Unclear }},
		{"accept", nftables.TableFamilyIPv4, join(l4(6), port(83), ret()), true, 0, nil},
		{"masquerading", nftables.TableFamilyIPv4, []expr.Any{&expr.NAT{Type: expr.NATTypeSourceNAT}}, true, 0, nil},
	} {
		chain := &nftables.Chain{Name: "pre", Table: &nftables.Table{Name: "mine", Family: tt.family}}
		got := nativeRule(chain, tt.exprs, tt.direct)
		if len(got) != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
			continue
		}
		for _, g := range got {
			if !tt.check(g) || g.Rule != "nft: table mine, chain pre" {
				t.Errorf("%s: read as %+v", tt.name, g)
			}
		}
	}
}

// Only nat chains for incoming packets that neither iptables nor Docker wrote are read.
func TestForeignNATChains(t *testing.T) {
	for _, tt := range []struct {
		table, chain string
		family       nftables.TableFamily
		typ          nftables.ChainType
		hook         *nftables.ChainHook
		want         bool
	}{
		{"mine", "pre", nftables.TableFamilyIPv4, nftables.ChainTypeNAT, nftables.ChainHookPrerouting, true},
		{"mine", "pre", nftables.TableFamilyINet, nftables.ChainTypeNAT, nftables.ChainHookPrerouting, true},
		{"nat", "PREROUTING", nftables.TableFamilyIPv4, nftables.ChainTypeNAT, nftables.ChainHookPrerouting, false},
		{"nat", "mine", nftables.TableFamilyIPv6, nftables.ChainTypeNAT, nftables.ChainHookPrerouting, true},
		{"docker-bridges", "nat-PREROUTING", nftables.TableFamilyIPv4, nftables.ChainTypeNAT, nftables.ChainHookPrerouting, false},
		{"mine", "post", nftables.TableFamilyIPv4, nftables.ChainTypeNAT, nftables.ChainHookPostrouting, false},
		{"mine", "pre", nftables.TableFamilyIPv4, nftables.ChainTypeFilter, nftables.ChainHookPrerouting, false},
		{"mine", "pre", nftables.TableFamilyBridge, nftables.ChainTypeNAT, nftables.ChainHookPrerouting, false},
		{"mine", "regular", nftables.TableFamilyIPv4, "", nil, false},
	} {
		c := &nftables.Chain{Name: tt.chain, Type: tt.typ, Hooknum: tt.hook, Table: &nftables.Table{Name: tt.table, Family: tt.family}}
		if got := isForeignNAT(c); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
