package saved

import (
	"bufio"
	"cmp"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"dockwall/rules"
)

// setFiles are where distributions keep the sets of ipset for the next boot: Debian's
// ipset-persistent, Red Hat's ipset-service, Arch's ipset. They are restored before the rules.
var setFiles = []string{"etc/iptables/ipsets", "etc/sysconfig/ipset", "etc/sysconfig/ipset.d/*.set", "etc/ipset.conf"}

// Set is a set that saved rules name.
type Set struct {
	// Family is 4 or 6.
	Family int
	// Name is without the prefix of the family, as in rules.Set.
	Name string
	Type rules.SetType
}

// match is the part of a saved rule that looks a set up. Each direction is one dimension
// of the set. Names have at most 31 characters in the kernel; see rules.PurposeName and
// rules.ContentName for what is in them.
var match = regexp.MustCompile(`--match-set dockwall([46])-([a-z0-9-]{1,21}) ((?:src|dst)(?:,(?:src|dst))?)(?: |$)`)

// Sets returns the sets of dockwall's that the saved rules name, sorted. Those that the
// host's own file of sets creates are left out: it is restored with their types and sizes
// before the rules are, and would fail if they existed with others. The files of nft name
// no sets of ipset.
func (f *Files) Sets() []Set {
	found := map[Set]bool{}
	f.eachLine(patterns, func(line string) {
		if strings.HasPrefix(line, "#") {
			return
		}
		for _, m := range match.FindAllStringSubmatch(line, -1) {
			found[named(m[1], m[2], m[3])] = true
		}
	})
	made := map[string]bool{}
	f.eachLine(setFiles, func(line string) {
		if words := strings.Fields(line); len(words) > 1 && (words[0] == "create" || words[0] == "-N") {
			made[words[1]] = true
		}
	})
	var all []Set
	for s := range found {
		if !made[fmt.Sprintf("dockwall%d-%s", s.Family, s.Name)] {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Set) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Name, b.Name), cmp.Compare(b.Type, a.Type))
	})
	// A name has one type: an edited file may look it up in two ways, and a rule may name
	// fewer dimensions than the set has.
	return slices.CompactFunc(all, func(a, b Set) bool { return a.Family == b.Family && a.Name == b.Name })
}

// named is the set of a match, by the family of its name and the directions.
func named(family, name, directions string) Set {
	s := Set{Family: 4, Name: name, Type: rules.HashNet}
	if family == "6" {
		s.Family = 6
	}
	if strings.Contains(directions, ",") {
		s.Type = rules.HashNetPort
	}
	return s
}

// eachLine calls do with each line of the files. What cannot be read is skipped.
func (f *Files) eachLine(patterns []string, do func(line string)) {
	for _, pattern := range patterns {
		names, _ := fs.Glob(f.root, pattern) // the patterns are good
		for _, name := range names {
			if st, err := fs.Stat(f.root, name); err == nil && st.Mode().IsRegular() {
				f.lines(name, func(line string) bool { do(line); return true })
			}
		}
	}
}

// lines calls do with the lines of a file until it returns false.
func (f *Files) lines(name string, do func(line string) bool) {
	file, err := f.root.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for lines.Scan() && do(lines.Text()) {
	}
}
