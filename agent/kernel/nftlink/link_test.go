package nftlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"dockwall/rules"
	"dockwall/rules/nft"
	"dockwall/test/nstest"
)

func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

func padded(s string) []byte { b := make([]byte, unix.IFNAMSIZ); copy(b, s); return b }

// field returns a field of each kind that a rule may load.
func fields() map[string]nft.Field {
	return map[string]nft.Field{
		"priority": {Key: nft.MetaPriority}, "iifname": {Key: nft.MetaIIFName}, "oifname": {Key: nft.MetaOIFName},
		"iiftype": {Key: nft.MetaIIFType}, "nfproto": {Key: nft.MetaNFProto}, "l4proto": {Key: nft.MetaL4Proto}, "oifkind": {Key: nft.MetaOIFKind},
		"state": {From: nft.Conntrack, Key: nft.CtState}, "status": {From: nft.Conntrack, Key: nft.CtStatus}, "direction": {From: nft.Conntrack, Key: nft.CtDirection},
		"original": {From: nft.Conntrack, Key: nft.CtProtoDst, Original: true},
		"mac":      {From: nft.LinkHeader, Offset: 6, Len: 6}, "saddr": {From: nft.NetworkHeader, Offset: 12, Len: 4}, "saddr6": {From: nft.NetworkHeader, Offset: 8, Len: 16},
		"daddr": {From: nft.NetworkHeader, Offset: 16, Len: 4}, "dport": {From: nft.TransportHeader, Offset: 2, Len: 2},
	}
}

// everything is a table with each kind of operation and statement in it.
func everything() nft.Table {
	f := fields()
	key := func(name string) nft.Key { return nft.Key{Field: f[name]} }
	masked := func(name string, mask ...byte) nft.Key { return nft.Key{Field: f[name], Mask: mask} }
	four, six := nft.Test{Field: f["nfproto"], Data: []byte{2}}, nft.Test{Field: f["nfproto"], Data: []byte{10}}
	tcp := nft.Test{Field: f["l4proto"], Data: []byte{6}}
	drop, ret := nft.Verdict{Kind: rules.Drop}, nft.Verdict{Kind: rules.Return}
	comment := strings.Repeat("c", nft.MaxComment)
	rule := func(c string, ss ...nft.Statement) nft.Rule { return nft.Rule{Statements: ss, Comment: c} }
	mask6 := slices.Concat(slices.Repeat([]byte{0xff}, 7), make([]byte, 9))
	to := func(s string) *nft.Verdict { return &nft.Verdict{Kind: rules.Goto, Chain: s} }
	return nft.Table{Name: "dockwall", Sets: []nft.Set{
		{Name: "a4_24", Key: []nft.KeyType{nft.IPv4Addr}, Size: 16, Comment: "addresses.office", Elements: []nft.Element{{Key: []byte{10, 0, 0, 0}}, {Key: []byte{192, 0, 2, 0}}}},
		{Name: "a6_56", Key: []nft.KeyType{nft.IPv6Addr}, Elements: []nft.Element{{Key: slices.Concat([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 12))}}},
		{Name: "names", Key: []nft.KeyType{nft.IfName}, Elements: []nft.Element{{Key: padded("docker0")}}},
		{Name: "pub", Map: true, Key: []nft.KeyType{nft.IPv4Addr, nft.InetProto, nft.InetService}, Elements: []nft.Element{
			{Key: []byte{172, 17, 0, 2, 6, 0, 0, 0, 0x1f, 0x90, 0, 0}, Verdict: to("policy")}, {Key: []byte{172, 17, 0, 3, 17, 0, 0, 0, 0, 53, 0, 0}, Verdict: &nft.Verdict{Kind: rules.Return}},
			{Key: []byte{172, 17, 0, 4, 17, 0, 0, 0, 0, 53, 0, 0}, Verdict: &drop}}},
		{Name: "ranges", Interval: true, Key: []nft.KeyType{nft.InetProto, nft.InetService}, Elements: []nft.Element{
			{Key: []byte{6, 0, 0, 0, 0, 80, 0, 0}, End: []byte{6, 0, 0, 0, 0, 90, 0, 0}}, {Key: []byte{17, 0, 0, 0, 0, 53, 0, 0}, End: []byte{17, 0, 0, 0, 0, 53, 0, 0}}}},
		{Name: "empty", Key: []nft.KeyType{nft.IPv4Addr, nft.InetService}},
	}, Chains: []nft.Chain{
		{Name: "closed", Rules: []nft.Rule{
			rule("log", nft.Limit{Rate: 10, Burst: 20}, nft.Log{Group: 30, Prefix: "published.web"}), rule("log without prefix", nft.Log{Group: 1}),
			rule("", tcp, nft.Count{}, nft.Reject{Reset: true}), rule("", nft.Count{}, nft.Reject{}), rule(comment, nft.Count{}, drop)}},
		{Name: "policy", Rules: []nft.Rule{
			rule("lookup", four, nft.Lookup{Keys: []nft.Key{masked("saddr", 255, 255, 255, 0)}, Set: "a4_24"}, ret),
			rule("not", six, nft.Lookup{Keys: []nft.Key{masked("saddr6", mask6...)}, Set: "a6_56", Not: true}, nft.Verdict{Kind: rules.Goto, Chain: "closed"}),
			rule("name", nft.Lookup{Keys: []nft.Key{key("iifname")}, Set: "names"}, ret),
			rule("ranges", nft.Lookup{Keys: []nft.Key{key("l4proto"), key("dport")}, Set: "ranges"}, ret),
			rule("masks", four, tcp, nft.Lookup{Keys: []nft.Key{masked("saddr", 255, 0, 0, 0), key("dport")}, Set: "empty"}, ret)}},
		{Name: "forward", Hook: &nft.Hook{Point: nft.Forward, Priority: -1}, Rules: []nft.Rule{
			rule("", nft.Test{Field: f["state"], Mask: word(6), Not: true, Data: word(0)}, ret),
			rule("", nft.Test{Field: f["status"], Mask: word(8), Data: word(0)}, nft.Test{Field: f["direction"], Data: []byte{0}}, ret),
			rule("", nft.Test{Field: f["original"], Data: []byte{0, 80}, To: []byte{0, 90}}, nft.Test{Field: f["original"], Not: true, Data: []byte{0, 85}, To: []byte{0, 86}}, ret),
			rule("dispatch", four, nft.Dispatch{Keys: []nft.Key{key("daddr"), key("l4proto"), key("original")}, Map: "pub"}),
			rule("", nft.Test{Field: f["oifname"], Not: true, Data: []byte("br-")}, nft.Test{Field: f["iifname"], Data: padded("eth0")}, nft.Test{Field: f["oifkind"], Data: padded("bridge")}, drop),
			rule("", nft.Test{Field: f["iiftype"], Data: []byte{1, 0}}, nft.Test{Field: f["mac"], Data: []byte{2, 66, 0, 0, 0, 1}}, nft.SetPriority{Priority: 0x646f7700}, nft.Verdict{Kind: rules.Jump, Chain: "policy"}),
			rule("", nft.Test{Field: f["priority"], Data: word(0x646f7700)}, nft.SetPriority{}, ret)}},
		{Name: "input", Hook: &nft.Hook{Point: nft.Input, Priority: -1}}, {Name: "output", Hook: &nft.Hook{Point: nft.Output, Priority: 51}},
		{Name: "prerouting", Hook: &nft.Hook{Point: nft.Prerouting, Priority: -301}},
	}}
}

// writes are the operations that make a table.
func writes(t nft.Table) nft.Ops {
	ops := nft.Ops{nft.AddTable{}}
	for _, c := range t.Chains {
		ops = append(ops, nft.AddChain{Name: c.Name, Hook: c.Hook})
	}
	for _, s := range t.Sets {
		ops = append(ops, nft.AddSet{Set: s})
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			ops = append(ops, nft.AddRule{Chain: c.Name, Rule: r})
		}
	}
	return ops
}

// Each rule is decoded as it was encoded, without a kernel.
func TestStatementsSurvive(t *testing.T) {
	for _, c := range everything().Chains {
		for _, r := range c.Rules {
			var w writer
			at := w.open(unix.NFTA_RULE_EXPRESSIONS)
			for _, s := range r.Statements {
				if err := w.statement(s); err != nil {
					t.Fatal(err)
				}
			}
			w.close(at)
			es, err := expressions(w.b[at+4:])
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(r.Statements, statements(es)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		}
	}
}

func TestUnwritable(t *testing.T) {
	for _, s := range []nft.Statement{nft.Foreign{Name: "quota"}, nft.Verdict{Kind: rules.Reject}, nft.Verdict{Kind: rules.Jump}, nft.Verdict{Kind: rules.Drop, Chain: "x"},
		nft.Test{Field: nft.Field{Key: 99}, Data: []byte{1}}, nft.Test{Field: nft.Field{Key: nft.MetaNFProto}}, nft.Lookup{Set: "a"},
		nft.Test{Field: nft.Field{Key: nft.MetaNFProto}, Mask: word(1), Data: []byte{1}}, nft.Test{Field: nft.Field{Key: nft.MetaNFProto}, Data: []byte{1}, To: word(1)}} {
		_, err := newBatch("x", 0, nft.Ops{nft.AddTable{}, nft.AddRule{Chain: "c", Rule: nft.Rule{Comment: "published.web", Statements: nft.Statements{s}}}}, 0, 0)
		var oe *OpError
		if !errors.As(err, &oe) || oe.Index != 1 || !strings.Contains(err.Error(), `the chain c the rule "published.web"`) {
			t.Errorf("%#v: %v", s, err)
		}
	}
	for _, s := range []nft.Set{{Name: "s"}, {Name: "s", Key: []nft.KeyType{"mark"}}, {Name: "s", Key: []nft.KeyType{nft.IPv4Addr}, Interval: true}, {Name: "s", Key: []nft.KeyType{nft.IPv4Addr}, Comment: strings.Repeat("c", nft.MaxComment+1)}} {
		if _, err := newBatch("x", 0, nft.Ops{nft.AddSet{Set: s}}, 0, 0); err == nil || !strings.HasPrefix(err.Error(), "making the set s") {
			t.Errorf("%#v: %v", s, err)
		}
	}
}

// dial opens a socket in a namespace of the test's own.
func dial(t *testing.T) *Conn {
	t.Helper()
	nstest.New(t)
	c, err := Dial()
	nstest.Must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func (c *Conn) mustRead(t *testing.T, want nft.Table) Reading {
	t.Helper()
	r, ok, err := c.Read(want.Name)
	nstest.Must(t, err)
	if !ok {
		t.Fatal("there is no table")
	}
	if d := cmp.Diff(want, r.Table); d != "" {
		t.Fatalf("-want +got:\n%s", d)
	}
	return r
}

// What the kernel holds is read as it was written, and nft can print it.
func TestTableSurvivesTheKernel(t *testing.T) {
	c, want := dial(t), everything()
	before, err := c.Generation()
	nstest.Must(t, err)
	nstest.Must(t, c.Commit("dockwall", 0, writes(want), before))
	if r := c.mustRead(t, want); r.Generation != before+1 {
		t.Errorf("one transaction took nftables from generation %d to %d", before, r.Generation)
	}
	listed := nstest.Run(t, "", "nft", "list", "table", "inet", "dockwall")
	for _, line := range []string{`ip daddr . meta l4proto . ct original proto-dst vmap @pub comment "dispatch"`, `ip saddr & 255.255.255.0 == @a4_24 return comment "lookup"`,
		`elements = { "docker0" }`, `172.17.0.2 . tcp . 8080 : goto policy`, `elements = { tcp . 80-90,`, `comment "addresses.office"`, "priority filter - 1; policy accept;",
		`limit rate 10/second burst 20 packets log prefix "published.web" group 30`, "meta l4proto tcp counter packets 0 bytes 0 reject with tcp reset", "counter packets 0 bytes 0 reject", `oifname != "br-*" iifname "eth0" meta oifkind "bridge" drop`} {
		if !strings.Contains(listed, line) {
			t.Errorf("nft does not list %s", line)
		}
	}
	if t.Failed() {
		t.Log(listed)
	}
}

// Every operation does what it says, in one transaction with the others.
func TestOperations(t *testing.T) {
	c, is := dial(t), everything()
	nstest.Must(t, c.Commit("dockwall", 0, writes(is), 0))
	nstest.Must(t, c.Commit("dockwall", 0, nft.Ops{
		nft.FlushChain{Name: "policy"}, nft.AddRule{Chain: "policy", Rule: is.Chains[1].Rules[0]},
		nft.DeleteElements{Set: "a4_24", Elements: is.Sets[0].Elements[:1]}, nft.AddElements{Set: "a4_24", Elements: []nft.Element{{Key: []byte{203, 0, 113, 0}}}},
		nft.DeleteElements{Set: "names"}, nft.DeleteSet{Name: "ranges"}, nft.DeleteSet{Name: "empty"}, nft.FlushChain{Name: "output"}, nft.DeleteChain{Name: "output"}}, 0))
	is.Chains[1].Rules = is.Chains[1].Rules[:1]
	is.Sets[0].Elements = []nft.Element{is.Sets[0].Elements[1], {Key: []byte{203, 0, 113, 0}}}
	is.Sets, is.Chains = is.Sets[:4], slices.Delete(is.Chains, 4, 5)
	c.mustRead(t, is)
	// A set of the same name may come in the transaction that deletes the old one.
	nstest.Must(t, c.Commit("dockwall", 0, nft.Ops{nft.DeleteTable{}, nft.AddTable{}, nft.AddSet{Set: is.Sets[0]}}, 0))
	c.mustRead(t, nft.Table{Name: "dockwall", Sets: is.Sets[:1]})
	nstest.Must(t, c.Commit("dockwall", 0, nft.Ops{nft.DeleteTable{}}, 0))
	if _, ok, err := c.Read("dockwall"); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
}

// A refused operation is named, and nothing of the transaction is in force.
func TestRefused(t *testing.T) {
	c, is := dial(t), everything()
	nstest.Must(t, c.Commit("dockwall", 0, writes(is), 0))
	many := make([]nft.Element, 5000)
	for i := range many {
		many[i].Key = binary.BigEndian.AppendUint32(nil, uint32(i)<<8)
	}
	lookup := nft.AddRule{Chain: "policy", Rule: nft.Rule{Comment: "published.web agent.hcl:12", Statements: nft.Statements{nft.Lookup{Keys: []nft.Key{{Field: fields()["saddr"]}}, Set: "nowhere"}}}}
	for _, tt := range []struct {
		ops  nft.Ops
		at   int
		err  error
		says string
	}{
		{nft.Ops{nft.FlushChain{Name: "closed"}, lookup, nft.FlushChain{Name: "nowhere"}}, 1, unix.ENOENT, `adding to the chain policy the rule "published.web agent.hcl:12": no such file`},
		{nft.Ops{nft.AddChain{Name: "new"}, nft.AddSet{Set: nft.Set{Name: "many", Key: []nft.KeyType{nft.IPv4Addr}, Elements: many}}, nft.DeleteChain{Name: "closed"}}, 2, unix.EBUSY, "deleting the chain closed: "},
		{nft.Ops{nft.AddSet{Set: nft.Set{Name: "many", Size: 4096, Key: []nft.KeyType{nft.IPv4Addr}, Elements: many}}}, 0, unix.ENFILE, "making the set many of 5000 elements: "},
		{nft.Ops{nft.DeleteElements{Set: "a4_24", Elements: many[:1]}}, 0, unix.ENOENT, "deleting 1 elements from the set a4_24: "},
	} {
		err := c.Commit("dockwall", 0, tt.ops, 0)
		var oe *OpError
		if !errors.As(err, &oe) || oe.Index != tt.at || !errors.Is(err, tt.err) || !strings.HasPrefix(err.Error(), tt.says) {
			t.Errorf("%v, want %v at %d", err, tt.err, tt.at)
		}
		c.mustRead(t, is)
	}
	g, err := c.Generation()
	nstest.Must(t, err)
	if err := c.Commit("dockwall", 0, nft.Ops{nft.AddChain{Name: "new"}}, g-1); !errors.Is(err, unix.ERESTART) {
		t.Errorf("for another generation: %v", err)
	}
	// Errors that do not fit into the socket are still errors.
	if err := c.Commit("nowhere", 0, slices.Repeat(nft.Ops{nft.FlushChain{Name: "policy"}}, 20000), 0); !errors.Is(err, unix.ENOENT) {
		t.Errorf("20,000 errors: %v", err)
	}
	c.mustRead(t, is)
}

// What others write into the table is seen for what it is.
func TestOthersAreSeen(t *testing.T) {
	c := dial(t)
	for _, rule := range []string{"ct mark 7 drop", "accept", "ip saddr 1.2.3.4 accept", "meta mark set 7", "ip saddr . ip daddr { 1.2.3.4 . 5.6.7.8 } drop", "quota over 10 bytes drop", "limit rate over 10/second drop",
		"limit rate 10/minute drop", "log level warn", "log group 3 snaplen 20", "reject with icmpx type host-unreachable", "tcp dport 22 ct reply proto-dst 80 drop", "ct mark set meta mark", "tcp flags syn drop", "ip saddr 10.0.0.0-10.0.0.7 counter accept"} {
		nstest.Run(t, "add table inet dockwall\ndelete table inet dockwall\ntable inet dockwall {\n chain c {\n "+rule+"\n }\n}\n", "nft", "-f", "-")
		r, _, err := c.Read("dockwall")
		nstest.Must(t, err)
		got := r.Table.Chains[0].Rules[0].Statements
		known := rule == "tcp flags syn drop" // it can be written with Test
		if _, foreign := got[len(got)-1].(nft.Foreign); foreign == known {
			t.Errorf("%s is read as %+v", rule, got)
		}
	}
	for _, decl := range []string{"chain x { type nat hook prerouting priority -100; }", "chain x { type filter hook input priority 0; policy drop; }", "set x { type ipv4_addr; flags timeout; }",
		"set x { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }", "map x { type ipv4_addr : mark; }", "set x { type mark; }", "set x { type ipv4_addr; counter; }", "set x { type ipv4_addr; elements = { * }; flags interval; }"} {
		nstest.Run(t, "add table inet dockwall\ndelete table inet dockwall\ntable inet dockwall {\n"+strings.Replace(decl, "{ ", "{\n ", 1)+"\n}\n", "nft", "-f", "-")
		r, _, err := c.Read("dockwall")
		nstest.Must(t, err)
		if odd := slices.ContainsFunc(r.Table.Sets, func(s nft.Set) bool { return s.Odd }) || slices.ContainsFunc(r.Table.Chains, func(c nft.Chain) bool { return c.Odd }); !odd {
			t.Errorf("%s is read as %+v", decl, r.Table)
		}
	}
	nstest.Run(t, "add table inet dockwall { flags dormant; }\n", "nft", "-f", "-")
	if r, _, err := c.Read("dockwall"); err != nil || !r.Table.Dormant {
		t.Errorf("dormant: %+v %v", r, err)
	}
	nstest.Must(t, c.Commit("dockwall", 0, nft.Ops{nft.AddTable{}}, 0))
	if r, _, err := c.Read("dockwall"); err != nil || r.Table.Dormant {
		t.Errorf("not dormant any more: %+v %v", r, err)
	}
}

// A set of 200,000 is written in one transaction, and read in full.
func TestLargeSet(t *testing.T) {
	c := dial(t)
	want := nft.Table{Name: "dockwall", Sets: []nft.Set{{Name: "many", Key: []nft.KeyType{nft.IPv6Addr}, Size: 200_000}}}
	for i := range 200_000 {
		want.Sets[0].Elements = append(want.Sets[0].Elements, nft.Element{Key: slices.Concat(make([]byte, 12), binary.BigEndian.AppendUint32(nil, uint32(i)))})
	}
	nstest.Must(t, c.Commit("dockwall", 0, writes(want), 0))
	r, _, err := c.Read("dockwall")
	nstest.Must(t, err)
	if len(r.Table.Sets) != 1 || !slices.EqualFunc(r.Table.Sets[0].Elements, want.Sets[0].Elements, func(a, b nft.Element) bool { return string(a.Key) == string(b.Key) }) {
		t.Errorf("%d elements are read, or others", len(r.Table.Sets[0].Elements))
	}
}

// No other program can change a table that has an owner, and the table outlives the owner.
func TestOwned(t *testing.T) {
	c := dial(t)
	other, err := Dial()
	nstest.Must(t, err)
	if err := c.Check("dockwall", Owner|Persist|0x80, nft.Ops{nft.AddTable{}}); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("a flag that no kernel has: %v", err)
	}
	possible := c.Check("dockwall", Owner|Persist, nft.Ops{nft.AddTable{}})
	if _, there, err := c.Outline("dockwall"); there || err != nil {
		t.Errorf("a check made the table: %v", err)
	}
	if err := c.Commit("dockwall", Owner|Persist, nft.Ops{nft.AddTable{}, nft.AddChain{Name: "c"}}, 0); errors.Is(err, unix.EOPNOTSUPP) {
		if possible == nil {
			t.Error("a check found it possible")
		}
		t.Skip("this kernel has no persistent tables (Linux 6.9)")
	} else if err != nil {
		t.Fatal(err)
	}
	r, _, err := other.Read("dockwall")
	nstest.Must(t, err)
	if r.Flags != Owner|Persist || r.Owner != uint32(c.Socket()) {
		t.Errorf("flags %x, owner %d, want that of %d", r.Flags, r.Owner, c.Socket())
	}
	if err := other.Commit("dockwall", 0, nft.Ops{nft.DeleteTable{}}, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("another socket deletes it: %v", err)
	}
	if possible != nil {
		t.Errorf("a check: %v", possible)
	}
	c.Close()
	nstest.Must(t, other.Commit("dockwall", Owner|Persist, nft.Ops{nft.AddTable{}, nft.AddChain{Name: "d"}}, 0))
	r, _, err = other.Read("dockwall")
	nstest.Must(t, err)
	if fmt.Sprint(len(r.Table.Chains), r.Owner) != fmt.Sprint(2, other.Socket()) {
		t.Errorf("adopted: %+v", r)
	}
	other.Close()
}

// Counters and sizes are those of the rules and sets.
func TestCounters(t *testing.T) {
	c := dial(t)
	count := nft.Rule{Comment: "all", Statements: nft.Statements{nft.Count{}, nft.Verdict{Kind: rules.Return}}}
	nstest.Must(t, c.Commit("dockwall", 0, nft.Ops{nft.AddTable{}, nft.AddChain{Name: "output", Hook: &nft.Hook{Point: nft.Output, Priority: -1}}, nft.AddRule{Chain: "output", Rule: count},
		nft.AddRule{Chain: "output", Rule: nft.Rule{Statements: nft.Statements{nft.Verdict{Kind: rules.Return}}}}, nft.AddSet{Set: everything().Sets[0]}}, 0))
	nstest.Run(t, "", "bash", "-c", "echo > /dev/udp/127.0.0.1/9")
	got, err := c.Counters("dockwall")
	nstest.Must(t, err)
	// A datagram of one byte, and the answer that the port is closed.
	if d := cmp.Diff([]Counted{{"output", count, 2, 29 + 57}}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if sets, elements, err := c.SetSizes("dockwall"); sets != 1 || elements != 2 || err != nil {
		t.Errorf("%d sets with %d elements: %v", sets, elements, err)
	}
	r, ok, err := c.Outline("dockwall")
	nstest.Must(t, err)
	if d := cmp.Diff([]nft.Chain{{Name: "output", Hook: &nft.Hook{Point: nft.Output, Priority: -1}}}, r.Table.Chains); !ok || d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// An extension of iptables that the kernel has is found, one that it has not is missed, and
// the socket is as it was.
func TestLacksMatch(t *testing.T) {
	c := dial(t)
	for name, want := range map[string]bool{"comment": false, "conntrack": false, "set": false, "nowhere": true} {
		if got := c.LacksMatch(name, map[string]uint32{"conntrack": 3}[name]); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if !c.LacksMatch("comment", 200) {
		t.Error("a revision that there is not is there")
	}
	if _, err := c.Generation(); err != nil {
		t.Error(err)
	}
}
