package denied

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

const (
	// counted is how many sources are counted at a time.
	counted = 256
	// reported is how many of them the log names.
	reported = 5
)

// sources counts packets by source in bounded memory (the Space-Saving
// algorithm): a new source takes the place of the rarest, and inherits its
// count. So a source that sends much is always among them, and a count is at most too
// high by the smallest one.
type sources struct {
	total  uint64
	counts map[netip.Addr]uint64
}

func newSources() sources { return sources{counts: map[netip.Addr]uint64{}} }

func (s *sources) add(p Packet) {
	s.total++
	if _, known := s.counts[p.Source]; known || len(s.counts) < counted {
		s.counts[p.Source]++
		return
	}
	rarest := s.top()[counted-1]
	delete(s.counts, rarest.addr)
	s.counts[p.Source] = rarest.packets + 1
}

// source is one of those counted.
type source struct {
	addr    netip.Addr
	packets uint64
}

// top sorts them, those that sent most first.
func (s *sources) top() []source {
	var all []source
	for a, n := range s.counts {
		all = append(all, source{a, n})
	}
	slices.SortFunc(all, func(a, b source) int {
		return cmp.Or(cmp.Compare(b.packets, a.packets), a.addr.Compare(b.addr))
	})
	return all
}

// text names those that sent most: 203.0.113.9 (12), 203.0.113.4 (3).
func (s *sources) text() string {
	var words []string
	for i, src := range s.top() {
		if i == reported {
			break
		}
		words = append(words, fmt.Sprintf("%s (%d)", src.addr, src.packets))
	}
	return strings.Join(words, ", ")
}
