package bench

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

var (
	fullSizes = flag.Bool("full", false, "measure at the sizes that the goals are about")
	results   = flag.String("results", "", "write the tables into this `file`, between its two marks")
	only      = flag.String("only", "", "measure only the figures whose name matches this `pattern`")
)

// measures are the figures in the order of the page.
var measures = []struct {
	name string
	run  func(*testing.T, sizes) *figure
}{
	{"latency", measureLatency},
	{"apply", measureApply},
	{"diff", measureDiff},
	{"connections", measureConnections},
	{"rest", measureRest},
	{"lists", measureLists},
}

// TestFigures measures everything. At the small sizes it shows that the bench
// works, and judges no time.
func TestFigures(t *testing.T) {
	size := small
	if *fullSizes {
		size = full
	}
	var page strings.Builder
	page.WriteString(about(t))
	for _, m := range measures {
		if !regexp.MustCompile(*only).MatchString(m.name) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			text := m.run(t, size).markdown()
			page.WriteString(text)
			fmt.Println(text)
			// After each: what was measured is not lost where a later one fails.
			if *results != "" && !t.Failed() {
				writeResults(t, *results, page.String())
			}
		})
	}
}

// The marks of this bench's part of the page. Other tools write other parts.
const (
	beginMark = "<!-- begin bench -->\n"
	endMark   = "<!-- end bench -->\n"
)

func writeResults(t *testing.T, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	page := string(old)
	if page == "" {
		page = "# Results\n\nWritten by the tools that measured; see each part for the command.\n\n"
	}
	before, rest, found := strings.Cut(page, beginMark)
	_, after, closed := strings.Cut(rest, endMark)
	if found != closed {
		t.Fatalf("%s has one of the marks only", path)
	}
	if err := os.WriteFile(path, []byte(before+beginMark+text+endMark+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// about tells on what was measured, and how to do it again.
func about(t *testing.T) string {
	t.Helper()
	said := func(args ...string) string {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	cpu := "unknown"
	if m := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(info); m != nil {
		cpu = string(bytes.TrimSpace(m[1]))
	}
	var b strings.Builder
	b.WriteString("## Scale and speed\n\nTaken again by `make bench`, as root. All of it comes from one run, with an engine that only answers as\ndockerd does (`netinfo/docker/dockertest`), the real agentd, and real rules in a namespace of their own.\n\n")
	fmt.Fprintf(&b, "| | |\n|---|---|\n| Processors | %d × %s |\n| Kernel | %s |\n| Go | %s |\n| iptables | %s |\n| ipset | %s |\n\n", runtime.NumCPU(), cpu,
		said("uname", "-r"), strings.TrimPrefix(runtime.Version(), "go"), said("iptables-nft", "--version"), strings.SplitN(said("ipset", "--version"), "\n", 2)[0])
	return b.String()
}
