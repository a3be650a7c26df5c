package lab

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// saves are the commands that print all there is of the kernel's rules.
var saves = [...][]string{
	{"iptables-nft-save"}, {"ip6tables-nft-save"},
	{"iptables-legacy-save"}, {"ip6tables-legacy-save"},
	{"ipset", "save"},
	{"sh", "-c", framesSave},
}

// framesSave prints the table of the bridges if there is one.
const framesSave = "nft list table bridge dockwall 2>/dev/null || true"

// Save is the host's rules and sets, of both variants and families, in a form
// that can be compared: without timestamps and counters, and without tables
// that are there but empty, for looking at a table is enough to make one.
func (l *Lab) Save() string {
	l.t.Helper()
	var all strings.Builder
	for _, command := range saves {
		fmt.Fprintf(&all, "== %s\n%s", strings.Join(command, " "), Kept(l.printed(command)))
	}
	return all.String()
}

// printed is what a save command prints. It reads rules first and then the sets
// that they look at, and fails where these were taken away in between.
func (l *Lab) printed(command []string) string {
	l.t.Helper()
	for range 10 {
		if stdout, _, code := l.TryHost(command...); code == 0 {
			return stdout
		}
		time.Sleep(20 * time.Millisecond)
	}
	return l.Host(command...)
}

// Rules is one `iptables-save` of the host's variant as it is, counters and all.
func (l *Lab) Rules(family int) string {
	l.t.Helper()
	if family == 6 {
		return l.Host("ip6tables-save", "-c")
	}
	return l.Host("iptables-save", "-c")
}

// Kept is what the save commands printed, without what differs from one look to
// the next: timestamps, counters, and tables that are there but empty.
func Kept(text string) string {
	counters := regexp.MustCompile(`\[[0-9]+:[0-9]+\]`)
	counted := regexp.MustCompile(`counter packets [0-9]+ bytes [0-9]+`)
	var kept, table strings.Builder
	empty := true
	for line := range strings.Lines(text) {
		line = counted.ReplaceAllString(counters.ReplaceAllString(line, "[0:0]"), "counter")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "*"):
			table.Reset()
			table.WriteString(line)
			empty = true
		case line == "COMMIT\n":
			if !empty {
				kept.WriteString(table.String() + line)
			}
			table.Reset()
		case table.Len() > 0:
			table.WriteString(line)
			empty = empty && strings.HasPrefix(line, ":") && strings.Contains(line, " ACCEPT ")
		default:
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// logLines is how much of each log a failed test prints.
const logLines = 40

// dump prints what one wants to see after a failure.
func (l *Lab) dump() {
	if l.init == nil || !l.init.running() {
		return
	}
	for _, command := range [][]string{{"iptables-save", "-c"}, {"ip6tables-save", "-c"}, {"ipset", "list"}, {"sh", "-c", framesSave}, {"ip", "-br", "addr"}} {
		stdout, stderr, _ := l.TryHost(command...)
		l.t.Logf("on the host, %s:\n%s%s", strings.Join(command, " "), stdout, stderr)
	}
	for _, name := range []string{"containerd", "dockerd", "agentd"} {
		if text := l.log(name); text != "" {
			l.t.Logf("end of %s's log:\n%s", name, tail(text, logLines))
		}
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
