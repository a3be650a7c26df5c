package meaning

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dockwall/rules"
)

// row is a Change in the making. Its lists hold numbers of label lists (see
// labels).
type row struct {
	gain, out     bool
	policy, was   rules.Subject
	position      string
	from, via, to []int
	// nics is how many classes of interfaces there are: all of them are none
	// in particular.
	nics int
}

// labels numbers lists of labels, so that rows are compared by numbers.
type labels struct {
	ids   map[string]int
	lists [][]string
	// ports are the runs that some of them name.
	ports []port
	// outside are the lists that together are everyone outside, for each
	// family.
	outside [2][]int
}

func (l *labels) id(list []string) int {
	if l.ids == nil {
		l.ids = map[string]int{}
	}
	key := strings.Join(list, "\x00")
	id, ok := l.ids[key]
	if !ok {
		id = len(l.lists)
		l.ids[key] = id
		l.lists = append(l.lists, list)
	}
	return id
}

// senders is union, with everyone where all are there: of both families, or
// of the one that is there at all.
func (l *labels) senders(ids []int) []string {
	words := []string{}
	left := ids
	for i, all := range l.outside {
		of := func(id int) bool { return slices.Contains(all, id) }
		switch n := len(slices.DeleteFunc(slices.Clone(ids), func(id int) bool { return !of(id) })); n {
		case 0:
		case len(all):
			left = slices.DeleteFunc(slices.Clone(left), of)
			words = append(words, [2]string{"everyone (IPv4)", "everyone (IPv6)"}[i])
		default:
			return l.union(ids)
		}
	}
	return joinHalves(append(words, l.union(left)...))
}

// union is every label of the lists, sorted.
func (l *labels) union(ids []int) []string {
	all := []string{}
	for _, id := range ids {
		all = append(all, l.lists[id]...)
	}
	return l.join(all)
}

// join sorts the labels, and says once what makes up a whole.
func (l *labels) join(all []string) []string {
	slices.SortFunc(all, natural)
	all = joinHalves(joinRuns(slices.Compact(all), l.ports))
	slices.SortFunc(all, natural)
	return all
}

// dim is one of the lists of a row.
type dim func(*row) *[]int

func dimFrom(r *row) *[]int { return &r.from }
func dimVia(r *row) *[]int  { return &r.via }
func dimTo(r *row) *[]int   { return &r.to }

// key is everything of the row but one of its lists.
func (r *row) key(but dim) string {
	held := *but(r)
	*but(r) = nil
	k := fmt.Sprintf("%t %t %q %q %q %v %v %v", r.gain, r.out, r.policy, r.position, r.was, r.from, r.via, r.to)
	*but(r) = held
	return k
}

// merge joins the rows that differ in one list only.
func merge(rows []*row, along dim) []*row {
	at := map[string]*row{}
	var out []*row
	for _, r := range rows {
		k := r.key(along)
		if have := at[k]; have != nil {
			*along(have) = append(*along(have), *along(r)...)
			continue
		}
		at[k] = r
		out = append(out, r)
	}
	for _, r := range out {
		l := along(r)
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	return out
}

// mergeAll merges along every list until nothing more comes together.
func mergeAll(rows []*row) []*row {
	for before := -1; before != len(rows); {
		before = len(rows)
		for _, d := range []dim{dimVia, dimFrom, dimTo} {
			rows = merge(rows, d)
		}
	}
	return rows
}

// changes are the rows for people: losses before gains, the widest first.
func changes(rows []*row, l *labels) []Change {
	out := make([]Change, 0, len(rows))
	for _, r := range rows {
		c := Change{Gain: r.gain, Out: r.out, Policy: r.policy, Position: r.position, Was: r.was,
			From: l.senders(r.from), Via: []string{}, To: l.union(r.to)}
		if len(r.via) < r.nics {
			c.Via = l.union(r.via)
		}
		c.Sentence = c.sentence()
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Change) int {
		if a.Gain != b.Gain {
			if a.Gain {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(len(b.From)*len(b.To), len(a.From)*len(a.To)), strings.Compare(a.Sentence, b.Sentence))
	})
	return out
}

// What labels say of one family or one protocol, and what takes its place
// where they say it of both.
var halves = [][3]string{{" (IPv4)", " (IPv6)", ""}, {" tcp port", " udp port", " port"}}

// joinHalves says once what is there for both.
func joinHalves(words []string) []string {
	for _, h := range halves {
		there := map[string]bool{}
		for _, w := range words {
			there[w] = true
		}
		var out []string
		for _, w := range words {
			switch {
			case strings.Contains(w, h[0]) && there[strings.Replace(w, h[0], h[1], 1)]:
				out = append(out, strings.Replace(w, h[0], h[2], 1))
			case strings.Contains(w, h[1]) && there[strings.Replace(w, h[1], h[0], 1)]:
			default:
				out = append(out, w)
			}
		}
		words = out
	}
	return words
}

// natural orders numbers inside words by value: web-2 before web-10, and
// 9.0.0.0/8 before 10.0.0.0/8.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, restA := chunk(a)
		y, restB := chunk(b)
		if x != y {
			if digit(x[0]) && digit(y[0]) {
				return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
			}
			return strings.Compare(x, y)
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

func chunk(s string) (first, rest string) {
	n := 1
	for n < len(s) && digit(s[n]) == digit(s[0]) {
		n++
	}
	return s[:n], s[n:]
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
