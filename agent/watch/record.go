package watch

import (
	"cmp"
	"maps"
	"slices"

	"dockwall/agent/audit"
	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
)

// record is what the audit has found until now. Every judgement that begins takes the next
// tick of its clock: what was judged later counts.
type record struct {
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
	// removed: the subject is there no more.
	removed bool
}

func newRecord() *record {
	r := &record{severity: map[string]finding.Severity{}, standing: map[place]*standing{}, gone: map[string]uint64{}}
	for _, c := range rules.Checks() {
		r.severity[c.ID] = c.Severity
	}
	return r
}

// tick gives the next moment.
func (r *record) tick() uint64 {
	r.clock++
	return r.clock
}

const container = "container"

// one takes what a judgement that was begun at begun found of one container.
func (r *record) one(begun uint64, id, name string, found []rules.Finding) []change {
	at := place{container, id}
	if r.gone[id] > begun || r.standing[at] != nil && r.standing[at].at > begun {
		return nil
	}
	return r.put(begun, at, name, found)
}

// whole takes what a judgement of everything found. There are the containers that it has
// read, with their names; nil if they could not be read.
func (r *record) whole(begun uint64, containers map[string]string, found []rules.Finding) (changes []change) {
	by := map[place][]rules.Finding{{kind: "host"}: nil}
	for i, f := range found {
		at := place{f.Subject.Kind, f.Subject.ID}
		by[at] = append(by[at], found[i])
	}
	for id := range containers {
		at := place{container, id}
		if _, found := by[at]; !found {
			by[at] = nil // its failures, if it had any, are gone
		}
	}
	for at, s := range r.standing {
		if _, still := by[at]; !still && s.at < begun && (at.kind == "host" || containers != nil) {
			changes = append(changes, r.drop(at)...)
		}
	}
	for at, found := range by {
		name := containers[at.id]
		if len(found) > 0 {
			name = found[0].Subject.Name
		}
		if at.kind == container && r.gone[at.id] > begun || r.standing[at] != nil && r.standing[at].at > begun {
			continue
		}
		changes = append(changes, r.put(begun, at, name, found)...)
	}
	maps.DeleteFunc(r.gone, func(_ string, at uint64) bool { return at < begun })
	return r.sorted(changes)
}

// put replaces what was found of a subject.
func (r *record) put(begun uint64, at place, name string, found []rules.Finding) (changes []change) {
	before := r.standing[at]
	if before == nil {
		before = &standing{}
	}
	now := &standing{at: begun, name: name}
	about := rules.Subject{Kind: at.kind, Name: name, ID: at.id}
	for _, f := range found {
		// What failed and cannot be read now has not been corrected.
		_, failed := slices.BinarySearch(before.failed, f.ID)
		switch {
		case f.State == rules.Fail, f.State == rules.Unknown && failed:
			now.failed = append(now.failed, f.ID)
		case f.State == rules.Waived:
			now.waived++
		case f.State == rules.Unknown:
			now.unknown++
		}
	}
	slices.Sort(now.failed)
	now.failed = slices.Clip(now.failed)
	r.standing[at] = now
	for _, id := range now.failed {
		if _, stood := slices.BinarySearch(before.failed, id); !stood {
			changes = append(changes, change{come: true, check: id, subject: about})
		}
	}
	for _, id := range before.failed {
		if _, stands := slices.BinarySearch(now.failed, id); !stands {
			changes = append(changes, change{check: id, subject: about})
		}
	}
	return r.sorted(changes)
}

// remove takes that a container was removed.
func (r *record) remove(id string) []change {
	r.gone[id] = r.tick()
	return r.sorted(r.drop(place{container, id}))
}

func (r *record) drop(at place) (changes []change) {
	s := r.standing[at]
	if s == nil {
		return nil
	}
	delete(r.standing, at)
	for _, id := range s.failed {
		changes = append(changes, change{check: id, subject: rules.Subject{Kind: at.kind, Name: s.name, ID: at.id}, removed: true})
	}
	return changes
}

// failed returns the checks that fail on the container, and whether it was judged.
func (r *record) failed(id string) (checks []string, judged bool) {
	s := r.standing[place{container, id}]
	if s == nil {
		return nil, false
	}
	return s.failed, true
}

// containers are the IDs of the containers that were judged.
func (r *record) containers() map[string]bool {
	ids := map[string]bool{}
	for at := range r.standing {
		if at.kind == container {
			ids[at.id] = true
		}
	}
	return ids
}

// rank sorts the checks of the highest severity first.
func (r *record) rank(check string) int { return -r.severity[check].Weight() }

func (r *record) sorted(changes []change) []change {
	slices.SortFunc(changes, func(x, y change) int {
		return cmp.Or(cmp.Compare(r.rank(x.check), r.rank(y.check)), cmp.Compare(x.check, y.check), cmp.Compare(x.subject.String(), y.subject.String()))
	})
	return changes
}

// summary is how the audit stands.
func (r *record) summary() audit.Summary {
	s := audit.Summary{Findings: []audit.Count{}, Worst: []audit.Failure{}}
	counts := map[string]int{}
	for at, st := range r.standing {
		s.Waived, s.Unknown = s.Waived+st.waived, s.Unknown+st.unknown
		for _, id := range st.failed {
			counts[id]++
			s.Worst = append(s.Worst, audit.Failure{Check: id, Severity: r.severity[id], Subject: rules.Subject{Kind: at.kind, Name: st.name, ID: at.id}})
			if len(s.Worst) >= 16*audit.Shown {
				s.Worst = r.worst(s.Worst)
			}
		}
	}
	s.Worst = r.worst(s.Worst)
	for id, n := range counts {
		s.Findings = append(s.Findings, audit.Count{Check: id, Severity: r.severity[id], Count: n})
	}
	slices.SortFunc(s.Findings, func(x, y audit.Count) int {
		return cmp.Or(cmp.Compare(r.rank(x.Check), r.rank(y.Check)), -cmp.Compare(x.Count, y.Count), cmp.Compare(x.Check, y.Check))
	})
	return s
}

// worst are the most severe of the failures, as many as are shown.
func (r *record) worst(all []audit.Failure) []audit.Failure {
	slices.SortFunc(all, func(x, y audit.Failure) int {
		return cmp.Or(cmp.Compare(r.rank(x.Check), r.rank(y.Check)), cmp.Compare(x.Subject.String(), y.Subject.String()), cmp.Compare(x.Check, y.Check))
	})
	return all[:min(len(all), audit.Shown)]
}
