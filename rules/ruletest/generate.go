package ruletest

import (
	"fmt"
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"

	"pgregory.net/rapid"
)

// Rulesets generates valid rulesets: every match and verdict, every type of
// set, both families, with hooks in filter and perhaps in the guard. Policies,
// prefixes and interfaces have hostile names.
func Rulesets() *rapid.Generator[rules.Ruleset] {
	return rapid.Custom(func(t *rapid.T) rules.Ruleset {
		rs := rules.Ruleset{Sets: drawSets(t)}
		n := rapid.IntRange(2, 6).Draw(t, "chains")
		for i := range n {
			rs.Chains = append(rs.Chains, drawChain(t, i, n, rs.Sets))
		}
		rs.Hooks = []rules.Hook{{Base: rules.BaseDockerUser, Chain: rs.Chains[0].Name}, {Base: rules.BaseInput, Chain: rs.Chains[1].Name}}
		if rapid.Bool().Draw(t, "guard") {
			rs.Hooks = append(rs.Hooks, rules.Hook{Guard: true, Base: rules.BaseForward, Chain: rs.Chains[0].Name},
				rules.Hook{Guard: true, Base: rules.BaseInput, Chain: rs.Chains[1].Name})
		}
		reachAll(&rs)
		if rapid.Bool().Draw(t, "early") {
			rs.Chains = append(rs.Chains, drawChain(t, n, n+1, rs.Sets))
			rs.Hooks = append(rs.Hooks, rules.Hook{Base: rules.BasePrerouting, Chain: chainName(n)})
		}
		possible(&rs)
		return rs
	})
}

// Edited generates a ruleset made from rs: some members, rules and policies
// differ, the rest is kept, as when a file is edited.
func Edited(rs rules.Ruleset) *rapid.Generator[rules.Ruleset] {
	return rapid.Custom(func(t *rapid.T) rules.Ruleset {
		out := rules.Ruleset{Hooks: rs.Hooks}
		for _, s := range rs.Sets {
			if rapid.Bool().Draw(t, "members differ") {
				s.Members = drawMembers(t, s.Type)
				if !s.InPlace {
					s.Origin.Line++
				}
			}
			out.Sets = append(out.Sets, s)
		}
		out.Sets = contentNames(out.Sets)
		for i, c := range rs.Chains {
			c.Rules = renameLookups(c.Rules, rs.Sets, out.Sets)
			if rapid.IntRange(0, 3).Draw(t, "rules differ") == 0 {
				c.Rules = append(c.Rules, drawRule(t, i, len(rs.Chains), out.Sets))
			}
			out.Chains = append(out.Chains, c)
		}
		possible(&out)
		return out
	})
}

func renameLookups(rs []rules.Rule, from, to []rules.Set) []rules.Rule {
	out := slices.Clone(rs)
	for i := range out {
		out[i].Match = slices.Clone(out[i].Match)
		for j, m := range out[i].Match {
			if in, ok := m.(rules.InSet); ok {
				in.Set = to[slices.IndexFunc(from, func(s rules.Set) bool { return s.Name == in.Set })].Name
				out[i].Match[j] = in
			}
		}
	}
	return out
}

func chainName(i int) string { return fmt.Sprintf("DOCKWALL-C%d", i) }

func drawChain(t *rapid.T, i, n int, sets []rules.Set) rules.Chain {
	c := rules.Chain{Name: chainName(i)}
	for range rapid.IntRange(0, 4).Draw(t, "rules") {
		c.Rules = append(c.Rules, drawRule(t, i, n, sets))
	}
	return c
}

// reachAll lets the first chain jump to those that nothing leads to.
func reachAll(rs *rules.Ruleset) {
	in := reached(rs, rs.Hooks)
	for _, c := range rs.Chains {
		if !in[c.Name] {
			rs.Chains[0].Rules = append(rs.Chains[0].Rules, rules.Rule{
				Verdict: rules.Verdict{Kind: rules.Jump, Chain: c.Name}, Origin: rules.Origin{Subject: rules.Subject{Kind: "dispatch"}}})
		}
	}
}

// possible takes out of the rules what their hooks do not allow: INPUT knows no
// outgoing interface and takes no stamp; PREROUTING knows no state of connection
// tracking besides, and cannot reject.
func possible(rs *rules.Ruleset) {
	input, early := reachedFrom(rs, rules.BaseInput), reachedFrom(rs, rules.BasePrerouting)
	for i, c := range rs.Chains {
		if !input[c.Name] && !early[c.Name] {
			continue
		}
		for j := range c.Rules {
			r := &rs.Chains[i].Rules[j]
			r.Match = slices.DeleteFunc(slices.Clone(r.Match), func(m rules.Match) bool {
				_, out := m.(rules.OutInterface)
				_, conn := m.(rules.Conn)
				return out || conn && early[c.Name]
			})
			switch {
			case r.Verdict.Kind == rules.Stamp:
				r.Verdict.Kind = rules.Log
			case r.Verdict.Kind == rules.Reject && early[c.Name]:
				r.Verdict.Kind = rules.Drop
			}
		}
	}
}

func reachedFrom(rs *rules.Ruleset, base rules.Base) map[string]bool {
	return reached(rs, slices.DeleteFunc(slices.Clone(rs.Hooks), func(h rules.Hook) bool { return h.Base != base }))
}

func reached(rs *rules.Ruleset, hooks []rules.Hook) map[string]bool {
	in := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if in[name] {
			return
		}
		in[name] = true
		c, _ := rs.Chain(name)
		for _, r := range c.Rules {
			if r.Verdict.Chain != "" {
				visit(r.Verdict.Chain)
			}
		}
	}
	for _, h := range hooks {
		visit(h.Chain)
	}
	return in
}

func drawSets(t *rapid.T) []rules.Set {
	var out []rules.Set
	for i := range rapid.IntRange(1, 4).Draw(t, "sets") {
		s := rules.Set{Name: fmt.Sprintf("s%d", i), InPlace: rapid.Bool().Draw(t, "in place")}
		s.Type = rapid.SampledFrom([]rules.SetType{rules.HashNet, rules.HashNetPort}).Draw(t, "type")
		s.Members = drawMembers(t, s.Type)
		s.Origin = drawOrigin(t)
		out = append(out, s)
	}
	return contentNames(out)
}

// contentNames names the sets that do not change in place by their number and
// content.
func contentNames(sets []rules.Set) []rules.Set {
	for i, s := range sets {
		if !s.InPlace {
			sets[i].Name = rules.ContentName(fmt.Sprintf("n%d", i), s.Type, s.Members)
		}
	}
	return sets
}

func drawMembers(t *rapid.T, typ rules.SetType) []rules.Member {
	var out []rules.Member
	for range rapid.IntRange(0, 6).Draw(t, "members") {
		m := rules.Member{Prefix: drawPrefix(t, rapid.Bool().Draw(t, "v6"))}
		if typ == rules.HashNetPort {
			m.Proto = drawPortProto(t)
			m.Port = rapid.SampledFrom([]uint16{0, 53, 80, 8080, 65535}).Draw(t, "port")
		}
		out = append(out, m)
	}
	return rules.SortMembers(out)
}

func drawPortProto(t *rapid.T) netinfo.Protocol {
	return rapid.SampledFrom([]netinfo.Protocol{netinfo.TCP, netinfo.UDP, netinfo.SCTP}).Draw(t, "proto")
}

// drawPrefix draws from few addresses, so that prefixes overlap, packets hit,
// and every length comes up.
func drawPrefix(t *rapid.T, v6 bool) netip.Prefix {
	addrs := []string{"10.0.0.1", "10.0.128.7", "172.17.0.2", "192.0.2.200", "203.0.113.9"}
	lens := []int{0, 1, 8, 16, 17, 24, 31, 32}
	if v6 {
		addrs = []string{"2001:db8::1", "2001:db8:0:8000::7", "fd00::2", "fe80::1", "::1"}
		lens = []int{0, 1, 10, 32, 64, 65, 127, 128}
	}
	a := netip.MustParseAddr(rapid.SampledFrom(addrs).Draw(t, "address"))
	return netip.PrefixFrom(a, rapid.SampledFrom(lens).Draw(t, "length")).Masked()
}

// Hostile are strings that would do harm, if anything let them out of their
// quotes or onto another line.
func Hostile() []string {
	return []string{"published.shop", "defaults.published", "", "a b", `"`, `\`, `'`, `\"`, "x\" -j ACCEPT #", "a\nCOMMIT\n-A INPUT -j ACCEPT",
		"-t", "--table", "!", "-j ACCEPT", "$(reboot)", "`id`", "ütf 8 ☃", "tab\tx", "nul\x00x", "bell\x07", "del\x7f", "nel\u0085x", "\u2028",
		"broken\xff\xfe", "%s%n", "#", ";", "*filter", "trailing\\",
		"long xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx☃☃☃☃☃"}
}

// Interfaces are names that the kernel allows.
func Interfaces() []string {
	return []string{"eth0", "eth1", "br-0a1b2c3d4e5f", "docker0", "lo", "wg.0", "a@b", "fifteen-chars-x", `q"uote`, `back\slash`, "apo'strophe",
		"!", "!x", "-t", "-x", "*", "eth*", "a,b;c#d$(x)", "ethé", `"`, "a\x01b"}
}

func drawOrigin(t *rapid.T) rules.Origin {
	return rules.Origin{Subject: rules.ParseSubject(rapid.SampledFrom(Hostile()).Draw(t, "policy")), File: "agent.hcl", Line: rapid.IntRange(1, 99).Draw(t, "line")}
}
