package iptables

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"

	"github.com/google/go-cmp/cmp"
)

// restoreWords splits a line as iptables-restore does (add_param_to_argv of
// xshared.c): blanks end a word, and so does a closing quote; a backslash only
// means something in quotes.
func restoreWords(line string) ([]string, error) {
	var out []string
	var word []byte
	quoted, escaped := false, false
	for i := range len(line) {
		c := line[i]
		ends := c == ' ' || c == '\t' || c == '\n'
		switch {
		case quoted && escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
			continue
		case quoted && c == '"':
			quoted = false
			out, word = append(out, string(word)), nil
			continue
		case quoted:
		case c == '"':
			quoted = true
			continue
		case ends:
			if len(word) > 0 {
				out, word = append(out, string(word)), nil
			}
			continue
		}
		word = append(word, c)
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if len(word) > 0 {
		out = append(out, string(word))
	}
	return out, nil
}

// hostileRule is a rule that holds every text of somebody else's that a rule
// can hold.
func hostileRule(policy, prefix, in, out, port string) rules.Rule {
	return rules.Rule{Origin: rules.Origin{Subject: rules.ParseSubject(policy)}, Match: []rules.Match{rules.InInterface{Name: in}, rules.OutInterface{Name: out, Not: true},
		rules.Proto{Proto: netinfo.TCP}, rules.InBridgePort{Name: port}}, Verdict: rules.Verdict{Kind: rules.Log, Prefix: prefix, Group: 7}}
}

// valid reports whether the ruleset's own check lets the rule pass.
func valid(r rules.Rule) bool {
	rs := rules.Ruleset{Chains: []rules.Chain{{Name: "DOCKWALL-A", Rules: []rules.Rule{r}}},
		Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-A"}}}
	return rs.Validate() == nil
}

// FuzzQuoting: whatever a policy, a log prefix or an interface is called, the
// rule stays one line of the same words, and each name is one of them, whole.
func FuzzQuoting(f *testing.F) {
	for _, s := range []string{"published.shop", `"`, `\`, `'`, `\"`, "x\" -j ACCEPT #", "a\nCOMMIT\n-A INPUT -j ACCEPT", "-t", "--table", "!",
		"$(reboot)", "`id`", "\u00fctf 8 \u2603", "nul\x00x", "nel\u0085x", "\u2028", "broken\xff\xfe", "trailing\\", strings.Repeat("\u2603", 90)} {
		f.Add(s, s, "eth0", "br-0", "veth0")
		f.Add("published.x", "x", strings.ToValidUTF8(s[:min(len(s), 14)], ""), "!", `q"uote`)
	}
	f.Fuzz(func(t *testing.T, policy, prefix, in, out, port string) {
		r := hostileRule(policy, prefix, in, out, port)
		if !valid(r) {
			return
		}
		for _, family := range []Family{V4, V6} {
			ls := ruleLines(r, comment(r), family, rules.StageFilter)
			if len(ls) != 1 {
				t.Fatalf("%d lines", len(ls))
			}
			words := wantWords(t, ls[0].feed)
			want := []string{"-i", in, "!", "-o", out, "-p", "tcp", "-m", "physdev", "--physdev-in", port,
				"-m", "comment", "--comment", clean("dockwall:"+r.ID()+cutSpace(policy), maxComment), "-j", "NFLOG"}
			if p := cleanPrefix(prefix, rules.MaxLogPrefix); p != "" {
				want = append(want, "--nflog-prefix", p)
			}
			if d := cmp.Diff(append(want, "--nflog-group", "7"), words); d != "" {
				t.Fatalf("iptables-restore reads %q as (-want +got):\n%s", ls[0].feed, d)
			}
			checkPrinted(t, r, ls[0], family)
		}
	})
}

func cutSpace(policy string) string {
	if policy == "" {
		return ""
	}
	return " " + policy
}

// wantWords holds a line to what iptables-restore takes, and splits it.
func wantWords(t *testing.T, feed string) []string {
	t.Helper()
	if strings.ContainsAny(feed, "\n\r\x00") || len(feed) > 10000 {
		t.Fatalf("not a line: %q", feed)
	}
	words, err := restoreWords("-A DOCKWALL-A " + feed + "\n")
	if err != nil {
		t.Fatalf("%q: %v", feed, err)
	}
	for i, w := range words {
		if len(w) > 1000 {
			t.Fatalf("a word of %d bytes", len(w))
		}
		if note := i > 0 && (words[i-1] == "--comment" || words[i-1] == "--nflog-prefix"); note && (w[0] == '-' || strings.ContainsFunc(w, isControl)) {
			t.Fatalf("the text %q", w)
		}
	}
	return words[2:]
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 }

// checkPrinted takes the line the other way: as iptables-save prints it, it is
// one record of the table, and the rule that was written.
func checkPrinted(t *testing.T, r rules.Rule, l line, family Family) {
	t.Helper()
	tables, err := ParseSave("*filter\n:DOCKWALL-A - [0:0]\n:B - [0:0]\n-A DOCKWALL-A " + l.save + "\n-A B -j DROP\nCOMMIT\n")
	if err != nil {
		t.Fatalf("%q: %v", l.save, err)
	}
	if c := tables[0].Chains; len(c[0].Rules) != 1 || c[0].Rules[0] != l.save || !slices.Equal(c[1].Rules, []string{"-j DROP"}) {
		t.Fatalf("%q is read as %+v", l.save, c)
	}
	if feed := feedText(l.save); feed != l.feed {
		t.Fatalf("%q is fed as %q, not %q", l.save, feed, l.feed)
	}
	back, err := ParseRule("DOCKWALL-A", l.save)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if d := cmp.Diff(r.Match, back.Match); d != "" {
		t.Fatalf("%q is read as another rule (-want +got):\n%s", l.save, d)
	}
	if again := ruleLines(back, comment(back), family, rules.StageFilter); back.Verdict.Prefix != cleanPrefix(r.Verdict.Prefix, rules.MaxLogPrefix) || len(again) != 1 {
		t.Fatalf("%q is read with the prefix %q", l.save, back.Verdict.Prefix)
	}
}

// FuzzParseRule: what is read as a rule of ours is that rule, so that writing
// and reading it once more changes nothing.
func FuzzParseRule(f *testing.F) {
	for _, s := range goodRules() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\n\x00") {
			return
		}
		first, err := ParseRule("DOCKWALL-A", text)
		if err != nil {
			return
		}
		for _, family := range []Family{V4, V6} {
			for _, l := range ruleLines(first, comment(first), family, rules.StageFilter) {
				second, err := ParseRule("DOCKWALL-A", l.save)
				if err != nil {
					t.Fatalf("%q is written as %q: %v", text, l.save, err)
				}
				checkFixed(t, second, family)
			}
		}
	})
}

// checkFixed writes and reads a rule that was read from its own spelling. A
// Reject of whatever protocol is two rules, of which each is a Reject.
func checkFixed(t *testing.T, r rules.Rule, family Family) {
	t.Helper()
	ls := ruleLines(r, comment(r), family, rules.StageFilter)
	if len(ls) == 0 {
		t.Fatalf("%+v is written as nothing", r)
	}
	last := ls[len(ls)-1]
	again, err := ParseRule("DOCKWALL-A", last.save)
	if err != nil {
		t.Fatalf("%q: %v", last.save, err)
	}
	if again.ID() != r.ID() || again.Origin.Subject != r.Origin.Subject {
		t.Fatalf("%+v is written as %q, which is %+v", r, last.save, again)
	}
}

func goodRules() []string {
	return []string{
		`! -s 1.2.3.4/32 -d 10.0.0.0/8 -i eth0 ! -o br-+ -p tcp -m tcp --dport 80:90 --tcp-flags FIN,SYN,RST,ACK SYN -m comment --comment "dockwall:abcde x" -j DROP`,
		`-m mac ! --mac-source 02:42:ac:11:00:0a -m physdev --physdev-in veth0 -m comment --comment "dockwall:abcde" -j RETURN`,
		`-p udp -m conntrack ! --ctstate NEW,DNAT --ctorigdstport 53 --ctdir ORIGINAL -m comment --comment "dockwall:abcde" -g DOCKWALL-B`,
		`-m set ! --match-set dockwall4-x src,dst -m limit --limit 3/sec --limit-burst 9 -m comment --comment "dockwall:abcde" -j NFLOG --nflog-prefix "a \"b" --nflog-group 7`,
		`-m comment --comment "dockwall:abcde p" -j REJECT --reject-with icmp-port-unreachable`,
		`-m comment --comment "dockwall:abcde p" -j DOCKWALL-B`,
	}
}
