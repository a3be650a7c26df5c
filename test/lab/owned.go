package lab

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var frameLine = regexp.MustCompile(`^\s*(table|chain|set|type filter|.* (drop|return|goto|jump|accept)\b)`)

var hashSize = regexp.MustCompile(` hashsize [0-9]+`)

// Owned picks out of a Save what the agent keeps there: its chains and rules,
// its sets, its table of the bridges, and its jumps with their places in the chains of others, so that a
// jump which was pushed down counts as changed. Of the jumps to DOCKER-USER the
// first counts, whosever it is.
func Owned(save string) string {
	var kept strings.Builder
	var sets []string
	places := map[string]int{}
	table, jumped := "", false
	for line := range strings.Lines(save) {
		if strings.HasPrefix(line, "==") || strings.HasPrefix(line, "*") {
			table, places, jumped = strings.TrimSpace(line), map[string]int{}, false
			continue
		}
		if strings.HasSuffix(table, framesSave) {
			// Of the table of the bridges the rules, not which ports there are.
			if frameLine.MatchString(line) {
				kept.WriteString(line)
			}
			continue
		}
		chain := ""
		if rule, ok := strings.CutPrefix(line, "-A "); ok {
			chain, _, _ = strings.Cut(rule, " ")
			places[chain]++
		}
		switch {
		case chain == "FORWARD" && strings.HasSuffix(line, " -j DOCKER-USER\n"):
			if !jumped && strings.Contains(save, "DOCKWALL-") {
				fmt.Fprintf(&kept, "%s %s-j DOCKER-USER\n", table, place(chain, places))
			}
			jumped = true
		case strings.Contains(line, "DOCKWALL-MADE-"):
			// A note to itself: what the agent made may depend on the order of events.
		case traced(line) && chain == "" && strings.Contains(table, "ipset"):
			// The kernel's order of members, where it begins, and whether a hash had to
			// grow while it was filled, is by chance.
			line, _, _ = strings.Cut(strings.TrimSpace(line), " initval ")
			sets = append(sets, hashSize.ReplaceAllString(line, "")+"\n")
		case traced(line):
			fmt.Fprintf(&kept, "%s %s%s", table, place(chain, places), line)
		}
	}
	slices.Sort(sets)
	return kept.String() + strings.Join(sets, "")
}

// Traces are the lines that would not be there without the agent.
func Traces(save string) string {
	var kept strings.Builder
	for line := range strings.Lines(save) {
		if traced(line) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func traced(line string) bool {
	return !strings.HasPrefix(line, "==") && (strings.Contains(line, "DOCKWALL-") || strings.Contains(line, "dockwall"))
}

// place says where in another program's chain a rule stands.
func place(chain string, places map[string]int) string {
	if chain == "" || strings.HasPrefix(chain, "DOCKWALL-") {
		return ""
	}
	return fmt.Sprintf("(%d) ", places[chain])
}
