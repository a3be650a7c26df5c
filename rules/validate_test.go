package rules_test

import (
	"net/netip"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/ruletest"

	"pgregory.net/rapid"
)

func TestGeneratedAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := ruletest.Rulesets().Draw(t, "ruleset")
		if err := rs.Validate(); err != nil {
			t.Fatal(err)
		}
		next := ruletest.Edited(rs).Draw(t, "edited")
		if err := next.Validate(); err != nil {
			t.Fatal("edited: ", err)
		}
	})
}

var drop = rules.Verdict{Kind: rules.Drop}

// of is a ruleset of one chain, hooked into FORWARD, with one rule.
func of(v rules.Verdict, ms ...rules.Match) rules.Ruleset {
	return rules.Ruleset{Chains: []rules.Chain{{Name: "DOCKWALL-A", Rules: []rules.Rule{{Match: ms, Verdict: v}}}},
		Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-A"}},
		Sets:  []rules.Set{{Name: "s", Type: rules.HashNet}, {Name: "p", Type: rules.HashNetPort}}}
}

func TestValidateMatches(t *testing.T) {
	pre := netip.MustParsePrefix
	tcp := rules.Proto{Proto: netinfo.TCP}
	src := []rules.Dim{rules.Src}
	for want, ms := range map[string][]rules.Match{
		"host bits":           {rules.Source{Prefix: pre("10.0.0.1/8")}},
		"invalid prefix":      {rules.Destination{}},
		"plain address":       {rules.Source{Prefix: pre("::ffff:10.0.0.0/104")}},
		"both families":       {rules.Source{Prefix: pre("10.0.0.0/8")}, rules.Destination{Prefix: pre("fd00::/8")}},
		"no interface name":   {rules.InInterface{}},
		"longer than 15":      {rules.InInterface{Name: "sixteen-chars-xx"}},
		"wildcard":            {rules.InInterface{Name: "eth+"}},
		"reads as a wildcard": {rules.InBridgePort{Name: "eth+"}},
		"character":           {rules.OutInterface{Name: "a b"}},
		"none that is":        {rules.Proto{Proto: 47}},
		"needs protocol tcp, udp or sctp before it": {rules.DestPort{Lo: 1, Hi: 2}},
		"ports 2 to 1":         {tcp, rules.DestPort{Lo: 2, Hi: 1}},
		"needs protocol tcp b": {rules.Syn{}},
		"needs protocol icmp":  {tcp, rules.ICMPType{Type: 5}},
		"every type for":       {rules.Proto{Proto: netinfo.ICMP}, rules.ICMPType{Type: 255}},
		"of both families":     {rules.Proto{Proto: netinfo.ICMP}, rules.Source{Prefix: pre("fd00::/8")}},
		"sctp before it":       {rules.Conn{OrigDestLo: 1, OrigDestHi: 2}},
		"asks for nothing":     {rules.Conn{}},
		"no states":            {rules.Conn{NotStates: true, Original: true}},
		"is unknown":           {rules.Conn{States: []rules.ConnState{"SNAT"}}},
		"there twice":          {rules.Conn{States: []rules.ConnState{rules.StateNew, rules.StateNew}}},
		"no set":               {rules.InSet{Set: "nope", Dims: src}},
		"2 dimensions, not 1":  {rules.InSet{Set: "p", Dims: src}},
		"by destination only":  {rules.InSet{Set: "p", Dims: []rules.Dim{rules.Src, rules.Src}}},
		"unknown dimension":    {rules.InSet{Set: "s", Dims: []rules.Dim{"x"}}},
		"both are 1 to":        {rules.Limit{Rate: 0, Burst: 1}},
		"1 to 10000":           {rules.Limit{Rate: 1, Burst: 10001}},
		"Ethernet":             {rules.SourceMAC{MAC: "02-42-ac-11-00-0a"}},
		"two Source":           {rules.Source{Prefix: pre("10.0.0.0/8")}, rules.Source{Prefix: pre("10.0.0.0/8")}},
		"empty match":          {nil},
	} {
		rs := of(drop, ms...)
		if err := rs.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", ms, err, want)
		}
	}
}

func TestValidateRuleset(t *testing.T) {
	for want, change := range map[string]func(*rules.Ruleset){
		"not a name for a chain": func(rs *rules.Ruleset) { rs.Chains[0].Name = "A B" },
		"two of this name": func(rs *rules.Ruleset) {
			rs.Chains = append(rs.Chains, rs.Chains[0])
		},
		"no hook reaches it": func(rs *rules.Ruleset) { rs.Chains = append(rs.Chains, rules.Chain{Name: "DOCKWALL-B"}) },
		"reaches itself": func(rs *rules.Ruleset) {
			rs.Chains[0].Rules[0].Verdict = rules.Verdict{Kind: rules.Jump, Chain: "DOCKWALL-A"}
		},
		"no chain": func(rs *rules.Ruleset) {
			rs.Chains[0].Rules[0].Verdict = rules.Verdict{Kind: rules.Goto, Chain: "DOCKER"}
		},
		"unknown verdict":   func(rs *rules.Ruleset) { rs.Chains[0].Rules[0].Verdict.Kind = "accept" },
		"log prefix":        func(rs *rules.Ruleset) { rs.Chains[0].Rules[0].Verdict.Prefix = strings.Repeat("x", 64) },
		"not in this table": func(rs *rules.Ruleset) { rs.Hooks[0].Base = rules.BaseForward },
		"not a base chain":  func(rs *rules.Ruleset) { rs.Hooks[0] = rules.Hook{Base: "POSTROUTING", Chain: "DOCKWALL-A"} },
		"an outgoing interface, but PREROUTING reaches the chain": func(rs *rules.Ruleset) {
			rs.Hooks[0] = rules.Hook{Base: rules.BasePrerouting, Chain: "DOCKWALL-A"}
		},
		"a state of connection tracking, but PREROUTING reaches the chain": func(rs *rules.Ruleset) {
			rs.Hooks[0] = rules.Hook{Base: rules.BasePrerouting, Chain: "DOCKWALL-A"}
			rs.Chains[0].Rules[0].Match = []rules.Match{rules.Conn{Original: true}}
		},
		"a reject, but PREROUTING reaches the chain": func(rs *rules.Ruleset) {
			rs.Hooks[0] = rules.Hook{Base: rules.BasePrerouting, Chain: "DOCKWALL-A"}
			rs.Chains[0].Rules[0] = rules.Rule{Verdict: rules.Verdict{Kind: rules.Reject}}
		},
		"only the latch has such a rule": func(rs *rules.Ruleset) {
			rs.Chains[0].Rules[0].Match = []rules.Match{rules.Stamped{}}
		},
		"rule 1: only the latch":   func(rs *rules.Ruleset) { rs.Chains[0].Rules[0].Verdict.Kind = rules.Unstamp },
		"the latch has none there": func(rs *rules.Ruleset) { rs.Hooks[0].Latch = true },
		"there are two":            func(rs *rules.Ruleset) { rs.Hooks = append(rs.Hooks, rs.Hooks[0]) },
		"outgoing interface":       func(rs *rules.Ruleset) { rs.Hooks[0].Base = rules.BaseInput },
		"incoming interface": func(rs *rules.Ruleset) {
			rs.Hooks[0].Base = rules.BaseOutput
			rs.Chains[0].Rules[0].Match = []rules.Match{rules.InInterface{Name: "eth0"}}
		},
		"not a name for a set": func(rs *rules.Ruleset) {
			rs.Sets[0].Name = "s x"
		},
		"unknown type": func(rs *rules.Ruleset) { rs.Sets[0].Type = "hash:ip" },
		"out of order": func(rs *rules.Ruleset) {
			m := rules.Member{Prefix: netip.MustParsePrefix("10.0.0.0/8")}
			rs.Sets[0].Members = []rules.Member{m, m}
		},
		"has no ports": func(rs *rules.Ruleset) {
			rs.Sets[1].Members = []rules.Member{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}
		},
		"a port in a": func(rs *rules.Ruleset) {
			rs.Sets[0].Members = []rules.Member{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Port: 1}}
		},
		"limited reject": func(rs *rules.Ruleset) {
			rs.Chains[0].Rules[0] = rules.Rule{Match: []rules.Match{rules.Limit{Rate: 1, Burst: 1}}, Verdict: rules.Verdict{Kind: rules.Reject}}
		},
	} {
		rs := of(drop, rules.OutInterface{Name: "eth0"})
		if err := rs.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&rs)
		if err := rs.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// An ID says what a rule does, not where it was written.
func TestID(t *testing.T) {
	a := rules.Rule{Match: []rules.Match{rules.InInterface{Name: "eth0"}}, Verdict: drop, Origin: rules.Origin{Subject: rules.Subject{Kind: "a"}, Line: 1}}
	b := a
	b.Origin = rules.Origin{Subject: rules.Subject{Kind: "b"}, Line: 2}
	c := a
	c.Match = []rules.Match{rules.OutInterface{Name: "eth0"}}
	if a.ID() != b.ID() || len(a.ID()) != 5 {
		t.Errorf("IDs %q and %q of the same content", a.ID(), b.ID())
	}
	if a.ID() == c.ID() {
		t.Errorf("one ID %q of different content", a.ID())
	}
}
