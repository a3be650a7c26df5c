package watch

import (
	"cmp"
	"maps"
	"slices"

	"dockwall/agent/audit"
	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
)

// book is what the audit has found until now. Every judgement that begins takes the next
// tick of its clock: what was judged later counts.
type book struct {
	clock    uint64
	severity map[string]finding.Severity
	standing map[place]*standing
	// gone are the containers that were removed, and when; it is emptied with each
	// judgement of the whole host.
	gone map[string]uint64
}

// place is a subject without its name, which may change.
type place struct{ kind, id string }

// standing is what was found of one subject: IDs of checks, sorted.
type standing struct {
	at     uint64
	name   string
	failed []string
	// waived and unknown are how many.
	waived, unknown int
}

// change is a failure that has come or gone.
type change struct {
	come    bool
	check   string
	subject rules.Subject
	detail  string
}

func newBook() *book {
	b := &book{severity: map[string]finding.Severity{}, standing: map[place]*standing{}, gone: map[string]uint64{}}
	for _, c := range rules.Checks() {
		b.severity[c.ID] = c.Severity
	}
	return b
}

// tick gives the next moment.
func (b *book) tick() uint64 {
	b.clock++
	return b.clock
}

const container = "container"

// one takes what a judgement that was begun at begun found of one container.
func (b *book) one(begun uint64, id, name string, found []rules.Finding) []change {
	at := place{container, id}
	if b.gone[id] > begun || b.standing[at] != nil && b.standing[at].at > begun {
		return nil
	}
	return b.put(begun, at, name, found)
}

// whole takes what a judgement of everything found. There are the containers that it has
// read, with their names; nil if they could not be read.
func (b *book) whole(begun uint64, containers map[string]string, found []rules.Finding) (changes []change) {
	by := map[place][]rules.Finding{{kind: "host"}: nil}
	for i, f := range found {
		at := place{f.Subject.Kind, f.Subject.ID}
		by[at] = append(by[at], found[i])
	}
	for id := range containers {
		by[place{container, id}] = append(by[place{container, id}], []rules.Finding(nil)...)
	}
	for at, s := range b.standing {
		if _, still := by[at]; !still && s.at < begun && (at.kind == "host" || containers != nil) {
			changes = append(changes, b.drop(at)...)
		}
	}
	for at, found := range by {
		name := containers[at.id]
		if len(found) > 0 {
			name = found[0].Subject.Name
		}
		if at.kind == container && b.gone[at.id] > begun || b.standing[at] != nil && b.standing[at].at > begun {
			continue
		}
		changes = append(changes, b.put(begun, at, name, found)...)
	}
	maps.DeleteFunc(b.gone, func(_ string, at uint64) bool { return at < begun })
	return b.sorted(changes)
}

// put replaces what was found of a subject.
func (b *book) put(begun uint64, at place, name string, found []rules.Finding) (changes []change) {
	before := b.standing[at]
	if before == nil {
		before = &standing{}
	}
	now := &standing{at: begun, name: name}
	about := rules.Subject{Kind: at.kind, Name: name, ID: at.id}
	details := map[string]string{}
	for _, f := range found {
		// What failed and cannot be read now has not been corrected.
		_, failed := slices.BinarySearch(before.failed, f.ID)
		switch {
		case f.State == rules.Fail, f.State == rules.Unknown && failed:
			now.failed = append(now.failed, f.ID)
			details[f.ID] = f.Detail
		case f.State == rules.Waived:
			now.waived++
		case f.State == rules.Unknown:
			now.unknown++
		}
	}
	slices.Sort(now.failed)
	now.failed = slices.Clip(now.failed)
	b.standing[at] = now
	for _, id := range now.failed {
		if _, stood := slices.BinarySearch(before.failed, id); !stood {
			changes = append(changes, change{true, id, about, details[id]})
		}
	}
	for _, id := range before.failed {
		if _, stands := slices.BinarySearch(now.failed, id); !stands {
			changes = append(changes, change{false, id, about, "it does not fail any more"})
		}
	}
	return b.sorted(changes)
}

// remove takes that a container was removed.
func (b *book) remove(id string) []change {
	b.gone[id] = b.tick()
	return b.sorted(b.drop(place{container, id}))
}

func (b *book) drop(at place) (changes []change) {
	s := b.standing[at]
	if s == nil {
		return nil
	}
	delete(b.standing, at)
	for _, id := range s.failed {
		changes = append(changes, change{false, id, rules.Subject{Kind: at.kind, Name: s.name, ID: at.id}, "the " + at.kind + " is gone"})
	}
	return changes
}

// failed are the checks that fail on the container, and whether it was judged.
func (b *book) failed(id string) (checks []string, judged bool) {
	s := b.standing[place{container, id}]
	if s == nil {
		return nil, false
	}
	return s.failed, true
}

// containers are the IDs of the containers that were judged.
func (b *book) containers() map[string]bool {
	ids := map[string]bool{}
	for at := range b.standing {
		if at.kind == container {
			ids[at.id] = true
		}
	}
	return ids
}

func (b *book) rank(check string) int {
	return slices.Index([]finding.Severity{finding.High, finding.Medium, finding.Low}, b.severity[check])
}

func (b *book) sorted(changes []change) []change {
	slices.SortFunc(changes, func(x, y change) int {
		return cmp.Or(cmp.Compare(b.rank(x.check), b.rank(y.check)), cmp.Compare(x.check, y.check), cmp.Compare(x.subject.String(), y.subject.String()))
	})
	return changes
}

// summary is how the audit stands.
func (b *book) summary() audit.Summary {
	s := audit.Summary{Findings: []audit.Count{}, Worst: []audit.Failure{}}
	counts := map[string]int{}
	for at, st := range b.standing {
		s.Waived, s.Unknown = s.Waived+st.waived, s.Unknown+st.unknown
		for _, id := range st.failed {
			counts[id]++
			s.Worst = append(s.Worst, audit.Failure{Check: id, Severity: b.severity[id], Subject: rules.Subject{Kind: at.kind, Name: st.name, ID: at.id}})
			if len(s.Worst) >= 16*audit.Shown {
				s.Worst = b.worst(s.Worst)
			}
		}
	}
	s.Worst = b.worst(s.Worst)
	for id, n := range counts {
		s.Findings = append(s.Findings, audit.Count{Check: id, Severity: b.severity[id], Count: n})
	}
	slices.SortFunc(s.Findings, func(x, y audit.Count) int {
		return cmp.Or(cmp.Compare(b.rank(x.Check), b.rank(y.Check)), -cmp.Compare(x.Count, y.Count), cmp.Compare(x.Check, y.Check))
	})
	return s
}

// worst are the most severe of the failures, as many as are shown.
func (b *book) worst(all []audit.Failure) []audit.Failure {
	slices.SortFunc(all, func(x, y audit.Failure) int {
		return cmp.Or(cmp.Compare(b.rank(x.Check), b.rank(y.Check)), cmp.Compare(x.Subject.String(), y.Subject.String()), cmp.Compare(x.Check, y.Check))
	})
	return all[:min(len(all), audit.Shown)]
}
