package main

import (
	"fmt"
	"strings"
)

// row is how a line of the table is laid out.
const row = "  %-26s %-32s %-7s %-7s   %-7s %s\n"

// table writes which clients reach which ports, before and now.
func (s *story) table(groups []group, before, now [][]answer) {
	s.printf("%s", strings.TrimRight(fmt.Sprintf(row, "", "", "before", "", "now", ""), " \n")+"\n")
	s.printf(row, "who", "dials", "IPv4", "IPv6", "IPv4", "IPv6")
	for i, g := range groups {
		s.printf("  %s\n", s.dim("-- "+g.title+" "+strings.Repeat("-", 84-len(g.title))))
		for j, q := range g.questions {
			b, n := before[i][j], now[i][j]
			text := fmt.Sprintf(row, q.who, q.what, b.v4, b.v6, n.v4, n.v6)
			s.printf("%s", s.paint(text, b, n))
		}
	}
}

// paint shows on a terminal which verdicts have changed.
func (s *story) paint(text string, before, now answer) string {
	if !s.color || before == now {
		return text
	}
	cut := strings.LastIndex(text, string(now.v4))
	if now.v4 == now.v6 {
		cut = strings.LastIndex(text[:cut], string(now.v4))
	}
	return text[:cut] + "\x1b[1;32m" + strings.TrimRight(text[cut:], "\n") + "\x1b[0m\n"
}

// check compares the verdicts with what the demo claims.
func (s *story) check(groups []group, when string, got [][]answer, claim func(question) verdict) {
	for i, g := range groups {
		for j, q := range g.questions {
			want := answer{claim(q), claim(q)}
			if !q.v4.to.IsValid() {
				want.v4 = none
			}
			if !q.v6.to.IsValid() {
				want.v6 = none
			}
			if got[i][j] != want {
				s.t.Errorf("%s: %s -> %s: IPv4 is %s, IPv6 %s; the demo claims %s and %s",
					when, q.who, strings.Join(strings.Fields(q.what), " "), got[i][j].v4, got[i][j].v6, want.v4, want.v6)
			}
		}
	}
}
