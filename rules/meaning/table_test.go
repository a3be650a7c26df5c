package meaning_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/meaning"
	"dockwall/rules/policy"
)

// office and ops are addresses blocks; lan is eth1.
var (
	office = &policy.Addresses{Name: "office", Prefixes: prefixes("203.0.113.0/24", "2001:db8:10::/48")}
	ops    = &policy.Addresses{Name: "ops", Prefixes: prefixes("10.0.9.0/24", "10.0.8.1/32")}
	unused = &policy.Addresses{Name: "unused", Prefixes: prefixes("10.0.0.0/8")}
	lan    = []*policy.Interfaces{{Name: "lan", Names: []string{"eth1"}}}
)

func of(list ...*policy.Addresses) policy.AddressList { return policy.AddressList{Refs: list} }

func table(d meaning.Difference) []string {
	list := []string{}
	for _, e := range d.Table {
		list = append(list, e.String())
	}
	return list
}

func TestTable(t *testing.T) {
	shop := func(via []*policy.Interfaces, list ...*policy.Addresses) func(*policy.Policy) {
		return func(p *policy.Policy) {
			p.Published = append(p.Published, &policy.Published{Name: "shop", From: of(list...), Via: via, Origin: in("published.shop", 31)})
		}
	}
	nothing := func(*policy.Policy) {}
	for _, tc := range []struct {
		name          string
		before, after func(*policy.Policy)
		want          []string
	}{
		{"a list is let in", nothing, shop(nil, office), []string{
			"web 8080/tcp | gains office | published.shop (agent.hcl:31)"}},
		{"another list", shop(nil, office), shop(nil, ops), []string{
			"web 8080/tcp | gains ops | loses office | published.shop (agent.hcl:31)"}},
		{"by one NIC", nothing, shop(lan, office, ops), []string{
			"web 8080/tcp | gains office via eth1, ops via eth1 | published.shop (agent.hcl:31)"}},
		{"by one NIC only", shop(nil, office), shop(lan, office), []string{
			"web 8080/tcp | loses office not via eth1 | published.shop (agent.hcl:31)"}},
		{"everyone", shop(nil, office), func(p *policy.Policy) {
			p.Published = []*policy.Published{{Name: "shop", From: from("0.0.0.0/0", "::/0"), Origin: in("published.shop", 31)}}
		}, []string{"web 8080/tcp | keeps office | gains everyone else | published.shop (agent.hcl:31)"}},
		{"but for an exception", nothing, func(p *policy.Policy) {
			shop(nil, office)(p)
			p.Published[0].Except = from("203.0.113.66/32")
		}, []string{"web 8080/tcp | gains office except 203.0.113.66 | published.shop (agent.hcl:31)"}},
		{"isolation", nothing, func(p *policy.Policy) {
			p.Networks = []policy.Network{{Name: "shop", Between: policy.Deny, Origin: in("network.shop", 4)}}
		}, []string{
			// A container keeps its own published port.
			"web 8080/tcp | loses db, lone | network.shop (agent.hcl:4)",
			"every port of db | loses web | network.shop (agent.hcl:4)",
			"every port of web | loses db | network.shop (agent.hcl:4)"}},
		{"egress", nothing, func(p *policy.Policy) {
			p.Egress = []*policy.Egress{{Name: "mirror", From: named("db"), To: of(office), Origin: in("egress.mirror", 7)}}
		}, []string{"every port at anywhere else | loses db | egress.mirror (agent.hcl:7)"}},
	} {
		b, a := usual(), usual()
		a.Addresses = []*policy.Addresses{office, ops, unused}
		tc.before(&b)
		tc.after(&a)
		s := host()
		before, _ := compile.Compile(b, s)
		after, _ := compile.Compile(a, s)
		d := meaning.Compare(before, after, s, meaning.Options{Policy: a})
		if diff := cmp.Diff(tc.want, table(d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestTableOfTheFirstApply(t *testing.T) {
	s := host()
	p := usual()
	p.Addresses = []*policy.Addresses{office, ops}
	p.Published = []*policy.Published{{Name: "shop", From: of(office), Via: lan, Origin: in("published.shop", 31)}}
	p.Blocks = []*policy.Block{{Name: "abusers", From: from("203.0.113.66/32"), Origin: in("block.abusers", 5)}}
	after, _ := compile.Compile(p, s)
	want := []string{
		"web 8080/tcp | keeps office except 203.0.113.66 via eth1 | loses everyone else | published.shop (agent.hcl:31)",
		"everything | loses 203.0.113.66 | block.abusers (agent.hcl:5)",
		"containers' own addresses | loses everyone else | defaults.direct",
		"the Docker API | loses every container, everyone else | docker_api",
	}
	if diff := cmp.Diff(want, table(meaning.Compare(rules.Ruleset{}, after, s, meaning.Options{Policy: p}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
