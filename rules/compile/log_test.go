package compile_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
)

func TestLogPrefixFits(t *testing.T) {
	for _, name := range []string{"published.shop", strings.Repeat("n", 300), "network." + strings.Repeat("ü", 60), "network.x" + strings.Repeat("ü", 60)} {
		p := compile.LogPrefix(rules.ParseSubject(name))
		if len(p) > rules.MaxLogPrefix || len(p) < min(len("dockwall:"+name), rules.MaxLogPrefix-3) || !utf8.ValidString(p) || !strings.HasPrefix("dockwall:"+name, p) {
			t.Errorf("%s is reported with %q", name, p)
		}
	}
}

// A network's name may be longer than an NFLOG prefix.
func TestLongNamesCompile(t *testing.T) {
	s := netinfo.Snapshot{Links: []netinfo.Link{{Index: 1, Name: "br-1", Kind: "bridge"}}, Networks: []netinfo.Network{{
		ID: "n", Name: strings.Repeat("n", 100), Driver: "bridge", Bridge: "br-1", Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT}}}
	p := policy.Policy{LogDenied: true, Networks: []policy.Network{{Name: s.Networks[0].Name, Between: policy.Deny,
		Origin: rules.Origin{Subject: rules.Subject{Kind: "network", Name: s.Networks[0].Name}}}}}
	rs, _ := compile.Compile(p, s)
	if err := rs.Validate(); err != nil {
		t.Error(err)
	}
}

// Who is held is reported also where denials are not, or it would stay held.
func TestHeldSourcesAreReported(t *testing.T) {
	web := &policy.Selector{Name: "web", Names: []string{"web"}}
	p := policy.Policy{
		Egress: []*policy.Egress{{Name: "few", From: []*policy.Selector{web}, Origin: rules.Origin{Subject: rules.Subject{Kind: "egress", Name: "few"}},
			To: policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}}},
		Host: []*policy.Host{{Name: "dns", From: []*policy.Selector{web}, Origin: rules.Origin{Subject: rules.Subject{Kind: "host", Name: "dns"}}}},
	}
	rs, _ := compile.Compile(p, netinfo.Snapshot{Links: []netinfo.Link{{Index: 2, Name: "eth0"}}})
	for _, name := range []string{"DOCKWALL-EGRESS", "DOCKWALL-SERVICES"} {
		c, ok := rs.Chain(name)
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		drop := slices.IndexFunc(c.Rules, func(r rules.Rule) bool {
			return r.Verdict.Kind == rules.Drop && r.Origin.Subject.Kind == rules.KindHold
		})
		if drop < 1 {
			t.Fatalf("%s holds nobody, or before it reports: %+v", name, c.Rules)
		}
		v := c.Rules[drop-1].Verdict
		if v.Kind != rules.Log || v.Group != compile.HoldGroup || v.Prefix != "dockwall:hold" {
			t.Errorf("%s reports who is held by %+v", name, v)
		}
	}
}
