package metrics

import (
	"cmp"
	"context"
	"slices"
	"time"

	"dockwall/rules"
	"dockwall/rules/backend"
)

const (
	// readSpacing is the least time between two looks at the kernel.
	readSpacing = time.Second
	// readTimeout is less than Prometheus' own.
	readTimeout = 8 * time.Second
)

// Reading is what is in the kernel.
type Reading struct {
	// Rules are dockwall's own of the filter table.
	V4, V6 []backend.Counter
	// Bridges are those of the table of bridges, which is for both families.
	Bridges []backend.Counter
	// Sets and Entries are how many of both families there are.
	Sets, Entries int
}

// decided is a policy, and whether it let packets pass.
type decided struct{ policy, verdict string }

// traffic is how much a policy decided on.
type traffic struct {
	decided
	packets, bytes uint64
}

// place is one rule. Rules that are alike in all of it are counted together.
type place struct {
	family    int
	chain, id string
	policy    string
	verdict   rules.VerdictKind
}

type count struct{ packets, bytes uint64 }

// tally adds up the kernel's counters over the agent's life. A rule's own
// begins again whenever its chain is written; a sum of them would fall then, and
// Prometheus would count the rest twice.
type tally struct {
	last  map[place]count
	total map[decided]count
}

func newTally() tally { return tally{last: map[place]count{}, total: map[decided]count{}} }

func (t *tally) add(r Reading) {
	now := map[place]count{}
	for _, f := range []struct {
		number   int
		counters []backend.Counter
	}{{4, r.V4}, {6, r.V6}, {0, r.Bridges}} {
		for _, c := range f.counters {
			k := place{f.number, c.Chain, c.ID, c.Policy, c.Verdict}
			now[k] = count{now[k].packets + c.Packets, now[k].bytes + c.Bytes}
		}
	}
	for k, n := range now {
		verdict := verdictWord(k.verdict)
		if verdict == "" {
			continue
		}
		d := decided{k.policy, verdict}
		before := t.last[k]
		if n.packets < before.packets || n.bytes < before.bytes {
			before = count{} // written again
		}
		sum := t.total[d]
		t.total[d] = count{sum.packets + n.packets - before.packets, sum.bytes + n.bytes - before.bytes}
	}
	t.last = now
}

// sorted lists the totals.
func (t *tally) sorted() []traffic {
	all := make([]traffic, 0, len(t.total))
	for d, n := range t.total {
		all = append(all, traffic{d, n.packets, n.bytes})
	}
	slices.SortFunc(all, func(a, b traffic) int {
		return cmp.Or(cmp.Compare(a.policy, b.policy), cmp.Compare(a.verdict, b.verdict))
	})
	return all
}

// verdictWord is empty for rules that decide nothing.
func verdictWord(k rules.VerdictKind) string {
	switch k {
	case rules.Return:
		return "allow"
	case rules.Drop, rules.Reject:
		return "deny"
	}
	return ""
}

// read looks at the kernel, if the last look was long enough ago.
func (m *Metrics) read() (Reading, []traffic, bool) {
	m.reading.Lock()
	defer m.reading.Unlock()
	m.look()
	return m.last, m.tally.sorted(), m.readOK
}

// look does so; its caller holds m.reading.
func (m *Metrics) look() {
	now := m.o.Now()
	if !m.readAt.IsZero() && now.Sub(m.readAt) < readSpacing {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	r, err := m.o.Read(ctx)
	m.readAt, m.readOK = now, err == nil
	if err != nil {
		m.o.Log.Warn("the kernel's counters could not be read", "error", err)
		return
	}
	m.last = r
	m.tally.add(r)
	m.counted.Store(&counted{now, m.tally.inForce()})
}
