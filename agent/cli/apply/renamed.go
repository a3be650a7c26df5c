package apply

import (
	"strings"

	"dockwall/rules/plan"
)

// renamed puts together a set that goes and the one that comes in its place.
// Sets of addresses are named by their content, so a list that gained one
// entry is another set; people want to see the one entry.
func renamed(changes []plan.Change) []plan.Change {
	out := make([]plan.Change, 0, len(changes))
	taken := map[int]bool{}
	for i, come := range changes {
		if come.Kind == plan.ChangeSet && len(come.Old) == 0 && len(come.New) > 0 {
			if j := closest(changes, come, taken); j >= 0 {
				taken[i], taken[j] = true, true
				out = append(out, pair(changes[j], come))
			}
		}
	}
	for i, c := range changes {
		if !taken[i] {
			out = append(out, c)
		}
	}
	return out
}

// closest finds the set that goes and has most in common with the one that
// comes, of the same family and kind; -1: there is none.
func closest(changes []plan.Change, come plan.Change, taken map[int]bool) int {
	var in map[string]bool // made when there is a container to compare with
	best, most := -1, 0
	for j, c := range changes {
		if taken[j] || c.Kind != plan.ChangeSet || len(c.New) > 0 || c.Family != come.Family || kindOf(c.Set) != kindOf(come.Set) {
			continue
		}
		if in == nil {
			in = make(map[string]bool, len(come.New))
			for _, m := range come.New {
				in[m] = true
			}
		}
		n := 0
		for _, m := range c.Old {
			if in[m] {
				n++
			}
		}
		if n > most {
			best, most = j, n
		}
	}
	return best
}

// kindOf is a set's name without the hash at its end.
func kindOf(set string) string { return set[:strings.LastIndexByte(set, '-')+1] }

// pair is the change from one set to the other.
func pair(gone, come plan.Change) plan.Change {
	come.Set = gone.Set + " -> " + come.Set
	come.Old, come.New = without(gone.Old, come.New), without(come.New, gone.Old)
	return come
}

func without(list, other []string) []string {
	in := make(map[string]bool, len(other))
	for _, s := range other {
		in[s] = true
	}
	var left []string
	for _, s := range list {
		if !in[s] {
			left = append(left, s)
		}
	}
	return left
}
