package cli

import (
	"fmt"
	"strings"

	"dockwall/agent/overview"
)

// shown is how many policies and how many containers fit on one screen.
const shown = 20

// overview prints what is in force, the gaps first.
func (r *statusResult) overview(p *printer) {
	if r.Overview == nil {
		return
	}
	if len(r.NotCovered) > 0 {
		p.printf("\n%s\n", p.bold(p.yellow("not covered")))
		for _, s := range r.NotCovered {
			p.printf("  %s\n", printable(s))
		}
	}
	if len(r.Enforced) > 0 {
		p.printf("\n%s\n", p.bold("enforced"))
	}
	for _, m := range r.Enforced {
		p.printf("  %-34s %s\n", matterName(m.Name), printable(matterText(m)))
	}
	r.policies(p)
	r.containers(p)
}

func matterName(name string) string {
	switch name {
	case "published":
		return "from outside to published ports"
	case "between":
		return "between containers on a network"
	case "egress":
		return "from containers to the outside"
	case "host":
		return "from containers to the host"
	case "docker_api":
		return "to Docker's API over TCP"
	case "block":
		return "blocked everywhere"
	}
	return printable(name)
}

// matterText is "deny, but for 2 blocks", "allow (shop_back deny), 1 block".
func matterText(m overview.Matter) string {
	if m.Name == "block" {
		return map[bool]string{true: "nobody", false: "by " + count(m.Blocks, "block")}[m.Blocks == 0]
	}
	text := m.Default
	if len(m.Networks) > 0 {
		text += " (" + strings.Join(m.Networks, ", ") + ")"
	}
	switch {
	case m.Blocks == 0:
		return text
	case m.Default == "deny":
		return text + ", but for " + count(m.Blocks, "block")
	}
	return text + "; " + count(m.Blocks, "block")
}

func (r *statusResult) policies(p *printer) {
	if len(r.Policies) == 0 {
		return
	}
	rows := [][]string{{"policies", "", "let pass", "refused"}}
	some := r.Policies
	if len(some) > shown && !r.all {
		some = some[:shown]
	}
	for _, k := range some {
		rows = append(rows, []string{"  " + k.Name, k.Position, packets(k.Allowed), packets(k.Denied)})
	}
	p.printf("\n")
	p.table(rows)
	p.more(len(r.Policies) - len(some))
	if r.CountedAt.IsZero() {
		p.printf("  (the kernel's counters were not read yet)\n")
	}
}

// packets is "12 packets, 1.4 kB"; "-" for none.
func packets(c overview.Counts) string {
	if c.Packets == 0 {
		return "-"
	}
	size := fmt.Sprintf("%d B", c.Bytes)
	for unit, n := range []float64{1e3, 1e6, 1e9, 1e12} {
		if float64(c.Bytes) >= n {
			size = fmt.Sprintf("%.1f %cB", float64(c.Bytes)/n, "kMGT"[unit])
		}
	}
	return count(int(c.Packets), "packet") + ", " + size
}

func (r *statusResult) containers(p *printer) {
	some := r.Overview.Containers
	if len(some) == 0 {
		return
	}
	if len(some) > shown && !r.all {
		some = some[:shown]
	}
	rows := [][]string{{"containers", "", "networks", "published", "refused"}}
	for _, c := range some {
		refused := "-"
		if c.Refused > 0 {
			refused = fmt.Sprint(c.Refused)
		}
		rows = append(rows, []string{"  " + c.Name, c.State, list(c.Networks), list(c.Published), refused})
	}
	p.printf("\n")
	p.table(rows)
	p.more(len(r.Overview.Containers) - len(some))
}

func (p *printer) more(n int) {
	if n > 0 {
		p.printf("  and %d more: agentctl status --all\n", n)
	}
}

func list(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}

// table prints rows of printable columns, the first row as a heading.
func (p *printer) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
			widths[i] = max(widths[i], len([]rune(row[i])))
		}
	}
	for n, row := range rows {
		line := ""
		for i, word := range row {
			line += word + strings.Repeat(" ", widths[i]-len([]rune(word))+2)
		}
		line = strings.TrimRight(line, " ")
		if n == 0 {
			line = p.bold(line)
		}
		p.printf("%s\n", line)
	}
}
