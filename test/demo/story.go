package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/term"

	"dockwall/test/lab"
)

// story is the demo while it is told.
type story struct {
	t     testing.TB
	out   io.Writer
	color bool
	began time.Time
	town  *town
	agent *lab.Agent
}

// tell prints it all.
func tell(t testing.TB, out io.Writer, engine string) {
	t.Helper()
	s := &story{t: t, out: out, color: colored(out), began: time.Now()}
	policy := example(t)
	s.title("A throwaway Docker host in network namespaces: two NICs, Docker engine %s, a small shop", engine)
	s.town = build(t, engine)
	s.introduce()
	fresh := s.town.Save()
	s.problem()
	groups := s.town.groups()
	before := answers(groups)
	s.check(groups, "before", before, func(q question) verdict { return q.before })

	s.firstDiff(policy, fresh)
	s.enforce(groups, before)
	s.loosen(policy)
	s.mistake(policy)
	s.remove(fresh)
	s.tamper(groups)
	s.printf("\nDone in %.0f s. The host, its containers and its rules are taken down; this machine's own rules\n"+
		"were not touched.\n", time.Since(s.began).Seconds())
}

// firstDiff asks what the policy would change, which changes nothing.
func (s *story) firstDiff(policy, fresh string) {
	s.t.Helper()
	s.title("The policy is agent.hcl.example. What would it change?")
	s.town.WriteConfig(policy)
	stdout := s.agentctl(1, 6, "diff")
	if !strings.Contains(stdout, "everyone else") {
		s.t.Errorf("agentctl diff does not say who loses access:\n%s", stdout)
	}
	if diff := cmp.Diff(fresh, s.town.Save()); diff != "" {
		s.t.Errorf("agentctl diff changed the kernel (-before +after):\n%s", diff)
	}
}

// enforce starts the agent and asks everything again.
func (s *story) enforce(groups []group, before [][]answer) {
	s.t.Helper()
	s.title("agentd enforces it. Each verdict comes from a real connection attempt:")
	s.agent = s.town.LaunchAgentd()
	s.agent.WaitState("enforcing")
	now := answers(groups)
	s.table(groups, before, now)
	s.check(groups, "now", now, func(q question) verdict { return q.now })
	s.agentctl(0, whole, "status")
	s.title("Why? agentctl explain tells which line of the file decides")
	s.agentctl(0, whole, "explain", "--from", strayAddr4, "--via", "eth0", "--to", s.town.HostAddr("eth0", 4).String()+":80")
	s.agentctl(0, whole, "explain", "--from-container", s.town.web.Name, "--to", s.town.db.Name+":5432")
}

// more is what the demo adds to the example.
const more = `
containers "cache" {
  names = ["shop-cache-*"]
}
published "cache" {
  to    = [containers.cache]
  ports = ["6379/tcp"]
  from  = [addresses.office]
  via   = [interfaces.lan]
}
`

// loosen adds a policy, looks at the difference, saves it and asks again.
func (s *story) loosen(policy string) {
	s.t.Helper()
	s.title("Two blocks more, for the office to reach the cache: first the dry run, then save the file")
	s.printf("%s\n", indent(strings.TrimSpace(more)))
	draft := filepath.Join(filepath.Dir(s.town.ConfigPath()), "draft.hcl")
	if err := os.WriteFile(draft, []byte(policy+more), 0o644); err != nil {
		s.t.Fatalf("writing a draft: %v", err)
	}
	s.agentctl(1, 16, "diff", "--config", draft)
	question := ask("office, eth1", "the cache", s.town.Client("lan"), 6379,
		ways(s.town.at("eth1"), officeAddr4, officeAddr6), closed, open)
	s.expect("before saving", question, question.before)
	generation := s.status().Generation
	began := time.Now()
	s.town.WriteConfig(policy + more)
	last := s.changed("the new file to be in force", func(d daemon) bool { return d.Generation > generation })
	s.expect("after saving", question, question.now)
	s.printf("  saved; in force %s later: office -> cache is open\n", milliseconds(last.At.Sub(began)))
}

// mistake saves a file with a slip in it: nothing changes.
func (s *story) mistake(policy string) {
	s.t.Helper()
	s.title("A slip in the file: it is refused, and the last good policy stays in force")
	s.town.WriteConfig(strings.Replace(policy, "from   = [addresses.office,", "from   = [addresses.ofice,", 1))
	s.agentctl(1, whole, "check")
	s.agent.WaitState("degraded")
	stranger := ask("stranger", "the database", s.town.Client("wan2"), 5432, s.town.at("eth0").ways(), closed, closed)
	s.expect("with a bad file", stranger, closed)
	s.printf("  agentd is degraded and says why; stranger -> database is still closed\n")
	generation := s.status().Generation
	s.town.WriteConfig(policy)
	s.changed("the good file to be in force", func(d daemon) bool { return d.Generation > generation })
}

// expect asks one question by itself.
func (s *story) expect(when string, q question, want verdict) {
	s.t.Helper()
	g := []group{{questions: []question{q}}}
	s.check(g, when, answers(g), func(question) verdict { return want })
}

// example is the file that ships.
func example(t testing.TB) string {
	t.Helper()
	for _, dir := range []string{".", "../.."} {
		if text, err := os.ReadFile(filepath.Join(dir, "agent.hcl.example")); err == nil {
			return string(text)
		}
	}
	t.Fatal("no agent.hcl.example: run the demo in the repository")
	return ""
}

func (s *story) introduce() {
	s.printf(`
    stranger 192.0.2.20 ──────── eth0 ┐               ┌─ shop_front ── shop-web-1    -p 80:80
                                      ├ docker host ──┤
    office   203.0.113.0/24 ┐         │               └─ shop_back ─┬─ shop-web-1
    ops      198.51.100.7 ──┴─── eth1 ┘                             ├─ shop-db-1     -p 5432:5432
                                                                    └─ shop-cache-1  -p 6379:6379

`)
	s.printf("%s\n", indent(s.town.Docker("ps", "--format", "table {{.Names}}\t{{.Networks}}\t{{.Ports}}")))
}

// problem closes a port as administrators do, which does not close it: a
// published port's packets never meet INPUT.
func (s *story) problem() {
	s.t.Helper()
	s.title("The problem: the host's own firewall does not hold Docker's published ports")
	close := []string{"INPUT", "-p", "tcp", "--dport", "5432", "-j", "DROP"}
	s.town.Host(append([]string{"iptables", "-A"}, close...)...)
	r := s.town.Client("wan2").Dial("tcp", s.town.HostAddr("eth0", 4), 5432)
	s.town.Host(append([]string{"iptables", "-D"}, close...)...)
	s.printf("\n  %s\n", s.bold("$ iptables -A "+strings.Join(close, " ")))
	if r.Server() != s.town.db.Name {
		s.t.Errorf("behind a closed INPUT the stranger's connection to the database: %s; the demo claims that it is answered", r)
		return
	}
	s.printf("  the stranger dials %s:5432 and is answered by %s all the same\n", s.town.HostAddr("eth0", 4), r.Server())
}

// tamper flushes the rules and watches the agent put them back, under the eyes
// of a stranger that keeps trying. Docker's own rules go too, and no client
// puts those back: so this comes last, and in IPv4 only, where on a host that
// forwards anyway Docker's rules are not what lets people in.
func (s *story) tamper(groups []group) {
	s.t.Helper()
	s.title("agentd runs again. Another program flushes the firewall; the stranger keeps trying")
	s.agent = s.town.LaunchAgentd()
	s.agent.WaitState("enforcing")
	repairs := s.status().Repairs
	flood := s.town.Client("wan2").Flood("tcp", s.town.HostAddr("eth0", 4), 5432, lab.FloodOptions{For: time.Minute})
	began := time.Now()
	s.town.Host("iptables", "-F")
	last := s.changed("the rules to be put back", func(d daemon) bool { return d.Repairs > repairs })
	r := flood.Stop()
	s.printf("\n  %s\n", s.bold("$ iptables -F"))
	s.printf("  %s later agentd had put its rules back; of the stranger's %d attempts %d came through\n",
		milliseconds(last.At.Sub(began)), r.Tried, r.OK)
	s.check(groups, "after the flush", answers(groups), func(q question) verdict { return q.now })
	s.printf("  every verdict of the table holds again\n")
}

// daemon is the part of the daemon's state that the demo looks at.
type daemon struct {
	State      string
	Repairs    int
	Generation int
	LastChange change `json:"last_change"`
}

type change struct{ At time.Time }

func (s *story) status() daemon {
	s.t.Helper()
	_, detail := s.agent.State()
	var d daemon
	if err := json.Unmarshal([]byte(detail), &d); err != nil {
		s.t.Fatalf("agentctl status --json: %v\n%s", err, detail)
	}
	return d
}

// changed waits until the agent has done what is asked for and has nothing
// more to do, and returns its last change.
func (s *story) changed(what string, done func(daemon) bool) change {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if d := s.status(); !done(d) || d.State != "enforcing" {
			continue
		}
		if _, _, code := s.town.Agentctl("diff"); code == 0 {
			return s.status().LastChange
		}
	}
	_, detail := s.agent.State()
	s.t.Fatalf("waiting for %s: %s\n%s", what, detail, s.agent.Log())
	return change{}
}

// remove ends the agent and takes its rules away.
func (s *story) remove(fresh string) {
	s.t.Helper()
	s.title("Without dockwall again")
	s.agent.Stop()
	s.agentctl(0, whole, "remove")
	if diff := cmp.Diff(fresh, s.town.Save()); diff != "" {
		s.t.Errorf("agentctl remove left the rules otherwise (-before +after):\n%s", diff)
	}
	s.printf("  iptables-save, ip6tables-save and ipset save print what they printed before dockwall came\n")
}

// whole is the number of lines of what is shown uncut.
const whole = 1000

// agentctl shows a command and the first lines that it prints, and its last
// one, and returns all.
func (s *story) agentctl(want, lines int, args ...string) string {
	s.t.Helper()
	s.printf("\n  %s\n", s.bold("$ agentctl "+strings.Join(args, " ")))
	stdout, stderr, code := s.town.Agentctl(args...)
	s.printf("%s\n", indent(excerpt(stdout+stderr, lines)))
	if code != want {
		s.t.Fatalf("agentctl %s: exit code %d, want %d", strings.Join(args, " "), code, want)
	}
	return stdout
}

func (s *story) title(format string, args ...any) {
	s.printf("\n%s\n", s.bold("== "+fmt.Sprintf(format, args...)))
}

func (s *story) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(s.out, format, args...); err != nil {
		s.t.Fatalf("telling the story: %v", err)
	}
}

func (s *story) bold(text string) string { return s.style("1", text) }
func (s *story) dim(text string) string  { return s.style("2", text) }

func (s *story) style(code, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// colored reports whether the output is a terminal without NO_COLOR.
func colored(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// width is that of the terminal the demo is made for.
const width = 100

// excerpt is the first lines and the last of a text, none of them too long:
// rules are cut, sentences wrapped.
func excerpt(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if skipped := len(all) - lines - 2; skipped > 0 {
		all = slices.Concat(all[:lines], []string{fmt.Sprintf("[... %d lines more ...]", skipped+1)}, all[len(all)-1:])
	}
	for i, line := range all {
		// Rules have no space after their sign, sentences have.
		sign, rest, _ := strings.Cut(line, " ")
		if rest != "" && sign != "+" && sign != "-" && strings.ContainsAny(line[:1], "+-") {
			all[i] = cut(line)
		} else {
			all[i] = wrap(line)
		}
	}
	return strings.Join(all, "\n")
}

// cut shortens a line to what there is room for.
func cut(line string) string {
	runes := []rune(line)
	if len(runes) <= width-2 {
		return line
	}
	return string(runes[:width-3]) + "…"
}

// wrap breaks a line between words, its rest indented a little more.
func wrap(line string) string {
	margin := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+2)
	var done []string
	for runes := []rune(line); len(runes) > width-2; runes = []rune(line) {
		at := width - 2
		for at > 0 && runes[at] != ' ' {
			at--
		}
		if strings.TrimSpace(string(runes[:at])) == "" {
			line = cut(line) // a word without end
			break
		}
		done = append(done, strings.TrimRight(string(runes[:at]), " "))
		line = margin + strings.TrimLeft(string(runes[at:]), " ")
	}
	return strings.Join(append(done, line), "\n")
}

func indent(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = "  " + line
		}
	}
	return strings.Join(lines, "\n")
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1000)
}
