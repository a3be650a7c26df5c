package saved

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"dockwall/rules/finding"
)

// patterns are where distributions keep rules for the next boot: Debian's
// iptables-persistent and nftables, Red Hat's iptables-services and nftables, Arch's
// iptables.
var patterns = []string{
	"etc/iptables/rules.v4", "etc/iptables/rules.v6",
	"etc/iptables/iptables.rules", "etc/iptables/ip6tables.rules",
	"etc/sysconfig/iptables", "etc/sysconfig/ip6tables", "etc/sysconfig/nftables.conf",
	"etc/nftables.conf", "etc/nftables.d/*", "etc/nftables/*.nft",
}

// maxLine bounds a line, which for nft may list the elements of a set.
const maxLine = 16 << 20

// Files are the files with saved rules below a root folder.
type Files struct {
	root fs.FS
	seen map[string]looked
}

// looked is a file as it was when it was read, and the first line that names something of
// dockwall's; 0 if none does.
type looked struct {
	modified time.Time
	size     int64
	line     int
}

// New returns the files of the host.
func New() *Files { return In(os.DirFS("/")) }

// In returns the files below a root.
func In(root fs.FS) *Files { return &Files{root: root, seen: map[string]looked{}} }

// Findings returns one for each file that names something of dockwall's.
func (f *Files) Findings() []finding.Finding {
	var all []finding.Finding
	for _, pattern := range patterns {
		names, _ := fs.Glob(f.root, pattern) // the patterns are good
		for _, name := range names {
			if line := f.look(name); line > 0 {
				all = append(all, found("/"+name, line))
			}
		}
	}
	return all
}

// look returns the line of the file that names something of dockwall's.
func (f *Files) look(name string) int {
	st, err := fs.Stat(f.root, name)
	if err != nil || !st.Mode().IsRegular() {
		return 0
	}
	if l, ok := f.seen[name]; ok && l.modified.Equal(st.ModTime()) && l.size == st.Size() {
		return l.line
	}
	line := f.read(name)
	f.seen[name] = looked{st.ModTime(), st.Size(), line}
	return line
}

func (f *Files) read(name string) int {
	at, found := 0, false
	f.lines(name, func(line string) bool {
		at++
		found = names(line)
		return !found
	})
	if !found {
		return 0
	}
	return at
}

// names reports whether a line is about dockwall's chains, sets or tables.
func names(line string) bool {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return false
	}
	for _, owned := range []string{"DOCKWALL-", "dockwall4-", "dockwall6-"} {
		if strings.Contains(line, owned) {
			return true
		}
	}
	words := strings.Fields(line)
	return len(words) >= 3 && words[0] == "table" && slices.Contains([]string{"dockwall", "dockwall-cut"}, words[2])
}

func found(name string, line int) finding.Finding {
	message := fmt.Sprintf("%s, line %d, holds rules of dockwall's. ", name, line)
	if tool := tool(name); tool != "" {
		message += fmt.Sprintf("They are out of date at the next boot, and none of the file is loaded, the host's own rules included, unless dockwall-sets.service makes the sets that they name first. Save it again without them: %s | grep -vi dockwall > %s", tool, name)
	} else {
		message += "nft does not read a rule with a set of ipset's, not even as it printed it, and then none of the file is loaded, the host's own rules included. Take dockwall's tables and chains out of it, and the jumps to them"
	}
	return finding.New(finding.SavedRules, message).About(name)
}

// tool is the program that saves the file; empty for nft, whose output cannot be cut by
// lines.
func tool(name string) string {
	switch base := path.Base(name); {
	case strings.HasPrefix(name, "/etc/nftables") || base == "nftables.conf":
		return ""
	case base == "rules.v6" || strings.HasPrefix(base, "ip6tables"):
		return "ip6tables-save"
	}
	return "iptables-save"
}
