package watch

import (
	"fmt"
	"strings"

	"dockwall/agent/cli/view"
	"dockwall/agent/overview"
)

// shown is how many policies and how many containers fit on one screen.
const shown = 20

// overview prints what is in force, the gaps first.
func (r *statusResult) overview(p *view.Printer) {
	if r.Overview == nil {
		return
	}
	if len(r.NotCovered) > 0 {
		p.Printf("\n%s\n", p.Bold(p.Yellow("not covered")))
		for _, s := range r.NotCovered {
			p.Printf("  %s\n", view.Printable(s))
		}
	}
	if len(r.Enforced) > 0 {
		p.Printf("\n%s\n", p.Bold("enforced"))
	}
	for _, m := range r.Enforced {
		p.Printf("  %-34s %s\n", matterName(m.Name), view.Printable(matterText(m)))
	}
	r.policies(p)
	r.containers(p)
}

func matterName(name string) string {
	switch name {
	case "published":
		return "from outside to published ports"
	case "direct":
		return "straight to containers' addresses"
	case "between":
		return "between containers on a network"
	case "egress":
		return "from containers to the outside"
	case "dns":
		return "from containers to name servers"
	case "host":
		return "from containers to the host"
	case "spoofing":
		return "in the name of other senders"
	case "docker_api":
		return "to Docker's API over TCP"
	case "block":
		return "blocked everywhere"
	case "quarantine":
		return "containers in quarantine"
	}
	return view.Printable(name)
}

// matterText is "deny, except 2 blocks", "allow (shop_back deny), 1 block".
func matterText(m overview.Matter) string {
	if m.Name == "block" {
		return map[bool]string{true: "no address", false: "by " + view.Count(m.Blocks, "block")}[m.Blocks == 0]
	}
	if m.Name == "quarantine" {
		return "those with a finding of " + view.Count(m.Blocks, "block")
	}
	text := m.Default
	if len(m.Networks) > 0 {
		text += " (" + strings.Join(m.Networks, ", ") + ")"
	}
	switch {
	case m.Blocks == 0:
		return text
	case m.Default == "deny":
		return text + ", except " + view.Count(m.Blocks, "block")
	}
	return text + "; " + view.Count(m.Blocks, "block")
}

func (r *statusResult) policies(p *view.Printer) {
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
	p.Printf("\n")
	p.Table(rows)
	more(p, len(r.Policies)-len(some))
	if r.CountedAt.IsZero() {
		p.Printf("  (the kernel's counters were not read yet)\n")
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
	return view.Count(int(c.Packets), "packet") + ", " + size
}

func (r *statusResult) containers(p *view.Printer) {
	some := r.Overview.Containers
	if len(some) == 0 {
		return
	}
	if len(some) > shown && !r.all {
		some = some[:shown]
	}
	p.Printf("\n")
	p.Table(containerRows(some, r.all))
	more(p, len(r.Overview.Containers)-len(some))
}

// containerRows are the rows of the containers' table. Long lists of networks and
// ports end in "and 3 more", or go on in further rows if all is asked for.
func containerRows(cs []overview.Container, all bool) [][]string {
	rows := [][]string{{"containers", "", "networks", "published", "refused"}}
	const gaps = 8
	longest := 26
	name, state, networks, ports := len("containers"), 0, len("networks"), len("published")
	for _, c := range cs {
		name, state = max(name, 2+len([]rune(c.Name))), max(state, len(c.State))
		networks, ports = max(networks, len([]rune(list(c.Networks)))), max(ports, len([]rune(list(c.Published))))
	}
	if name+state+networks+ports+gaps+len("refused") <= view.TableWidth {
		longest = name
	}
	room := max(view.TableWidth-gaps-len("refused")-min(name, longest)-state, 40)
	networks = min(networks, max(room-ports, room*2/5))
	for _, c := range cs {
		refused := "-"
		if c.Refused > 0 {
			refused = fmt.Sprint(c.Refused)
		}
		nets, pubs := fitted(c.Networks, networks, all), fitted(c.Published, room-networks, all)
		for i := range max(len(nets), len(pubs)) {
			row := []string{"", "", "", "", ""}
			if i == 0 {
				row[0], row[1], row[4] = view.Cut("  "+c.Name, longest), c.State, refused
			}
			if i < len(nets) {
				row[2] = nets[i]
			}
			if i < len(pubs) {
				row[3] = pubs[i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// fitted is the list in lines of at most room characters: one that may end in "and
// 3 more", or as many as it takes if all is asked for.
func fitted(words []string, room int, all bool) []string {
	if whole := list(words); len([]rune(whole)) <= room {
		return []string{whole}
	}
	if first := words[0] + fmt.Sprintf(" and %d more", len(words)-1); !all && len([]rune(first)) > room {
		return []string{fmt.Sprintf("%d of them", len(words))}
	}
	var lines []string
	line := ""
	for i, w := range words {
		next := strings.TrimPrefix(line+", "+w, ", ")
		rest := len(words) - i - 1
		more := fmt.Sprintf(" and %d more", rest)
		switch {
		case all && line != "" && len([]rune(next)) >= room:
			lines, line = append(lines, line+","), w
		case !all && line != "" && rest > 0 && len([]rune(next))+len(more) > room, !all && line != "" && len([]rune(next)) > room:
			return []string{line + fmt.Sprintf(" and %d more", rest+1)}
		default:
			line = next
		}
	}
	return append(lines, line)
}

func more(p *view.Printer, n int) {
	if n > 0 {
		p.Printf("  and %d more: agentctl status --all\n", n)
	}
}

func list(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}
