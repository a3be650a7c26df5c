package audit

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// State is the result of a check on one subject.
type State string

// The states.
const (
	// Pass: the facts say that it is so.
	Pass State = "pass"
	// Fail: the facts say that it is not so.
	Fail State = "fail"
	// Unknown: a fact that decides could not be read.
	Unknown State = "unknown"
	// NotApplicable: this host has nothing that the check is about.
	NotApplicable State = "not_applicable"
	// Waived: Fail, and the operator's file says why that is accepted.
	Waived State = "waived"
	// Note: no program can decide it; the detail is what a person should look at.
	Note State = "note"
)

// Group is a part of the baseline.
type Group string

// The groups, in the order of the report.
const (
	Kernel     Group = "kernel"
	HostGroup  Group = "host"
	Network    Group = "network"
	Images     Group = "images"
	Containers Group = "containers"
	Others     Group = "others"
)

// Groups returns the groups in the order of the report.
func Groups() []Group { return []Group{Kernel, HostGroup, Network, Images, Containers, Others} }

// CIS are a check's numbers in two versions of the CIS Docker Benchmark.
type CIS struct {
	V16 []string `json:"1.6,omitempty"`
	V18 []string `json:"1.8,omitempty"`
}

// cis are numbers that are the same in both versions.
func cis(numbers ...string) CIS { return CIS{numbers, numbers} }

// cisMoved is a number that version 1.8 moved; an empty one is not in that version.
func cisMoved(v16, v18 string) CIS {
	var c CIS
	if v16 != "" {
		c.V16 = []string{v16}
	}
	if v18 != "" {
		c.V18 = []string{v18}
	}
	return c
}

// Check is one thing that should be so.
type Check struct {
	ID       string
	Group    Group
	Severity finding.Severity
	CIS      CIS
	// Title is what should be so.
	Title string
	// Why is what may happen where it is not.
	Why string
	// Decides is which facts decide.
	Decides string
	// Fix is what to do.
	Fix string

	// At most one of these judges a host; a note has host alone, and never passes or fails.
	host      func(*facts) verdict
	container func(*facts, *inventory.Container) verdict
	image     func(*facts, *inventory.Image) verdict
	// dockerfile judges a file: a verdict for each place that is bad, or one for the whole.
	dockerfile func(*facts, *inventory.Dockerfile) []verdict
	// content judges the files of an image that was read from an archive.
	content func(*facts, *inventory.Content) verdict
	// static: it is a note that says the same on every host.
	static bool
	// hearsay: another container may bring it about.
	hearsay bool
}

// Hearsay reports whether a container can make the check fail on another one, so that no
// container may be cut off for it.
func (c *Check) Hearsay() bool { return c.hearsay }

// OfContainers reports whether the check judges containers one by one.
func (c *Check) OfContainers() bool { return c.container != nil }

// Checks returns every check, in the order of the report.
func Checks() []Check {
	return slices.Concat(kernelChecks(), hostChecks(), fileChecks(), ruleChecks(), networkChecks(), imageChecks(),
		buildChecks(), contentChecks(), rightsChecks(), namespaceChecks(), mountChecks(), limitChecks(), portChecks(), originChecks(), processChecks(), scanChecks(), daemonChecks(), swarmChecks(), waiverChecks(), notes())
}

// Find returns the check with the ID.
func Find(id string) (Check, bool) {
	all := Checks()
	if i := slices.IndexFunc(all, func(c Check) bool { return c.ID == id }); i >= 0 {
		return all[i], true
	}
	return Check{}, false
}

// IDs returns the IDs of all checks, sorted.
func IDs() []string {
	var ids []string
	for _, c := range Checks() {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

// verdict is a check's result on one subject, and what decided it.
type verdict struct {
	state  State
	detail string
	// line of the file that decided; 0 if it is no file, or the whole.
	line int
}

// at is the verdict with the line that decided.
func (v verdict) at(line int) verdict {
	v.line = line
	return v
}

func pass(format string, args ...any) verdict {
	return verdict{state: Pass, detail: fmt.Sprintf(format, args...)}
}
func fail(format string, args ...any) verdict {
	return verdict{state: Fail, detail: fmt.Sprintf(format, args...)}
}
func unknown(format string, args ...any) verdict {
	return verdict{state: Unknown, detail: fmt.Sprintf(format, args...)}
}
func absent(format string, args ...any) verdict {
	return verdict{state: NotApplicable, detail: fmt.Sprintf(format, args...)}
}
func noted(format string, args ...any) verdict {
	return verdict{state: Note, detail: fmt.Sprintf(format, args...)}
}

// ofEngine judges what the engine says of itself; unknown if it could not be read.
func ofEngine(judge func(inventory.Engine) verdict) func(*facts) verdict {
	return func(f *facts) verdict {
		if !f.Engine.Read {
			return unknown("%s", f.Engine.Why())
		}
		return judge(f.Engine.Value)
	}
}

// when is a failure if bad, and passes otherwise.
func when(bad bool, failure, success string) verdict {
	if bad {
		return verdict{state: Fail, detail: failure}
	}
	return verdict{state: Pass, detail: success}
}

// list is a list for a person: at most six entries, and how many more there are.
func list(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
