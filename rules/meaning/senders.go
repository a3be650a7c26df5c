package meaning

import (
	"fmt"
	"slices"
	"strings"
)

// senders are the words for one side of a cell. If the senders that no list names
// change, they are "everyone else", and those that change with them are not named.
func (n *names) senders(cl *cell, side int) []string {
	if cl.coarse && n.all(cl.who[side], cl.tos) {
		return []string{"each other"}
	}
	whole := n.whole(cl, side)
	byVia, vias := map[string][]int{}, map[string][]int{}
	var keys, words []string
	for _, from := range sortedKeys(cl.who[side]) {
		f := n.familyOf(from)
		if f >= 0 && whole[f] != "" {
			if n.rest[from] {
				words = append(words, n.plain(whole[f]+halves[0][f], cl.tos))
			}
			continue
		}
		via := slices.Compact(slices.Sorted(slices.Values(cl.who[side][from])))
		if len(via) >= cl.nics {
			via = nil
		}
		k := fmt.Sprint(via)
		if byVia[k] == nil {
			keys, vias[k] = append(keys, k), via
		}
		byVia[k] = append(byVia[k], from)
	}
	for _, k := range keys {
		suffix := n.via(vias[k], cl.nics)
		for _, w := range n.who(byVia[k]) {
			words = append(words, n.plain(w, cl.tos)+suffix)
		}
	}
	words = joinHalves(words)
	slices.SortStableFunc(words, natural)
	return slices.Compact(words)
}

// all reports whether the senders are all containers that have neighbours on the
// targets' networks.
func (n *names) all(who senders, tos []int) bool {
	there := map[string]bool{}
	for from := range who {
		for _, w := range n.labels.lists[from] {
			there[w] = true
		}
	}
	for _, to := range tos {
		for _, network := range n.near[to] {
			for w := range n.on[network] {
				if len(n.on[network]) > 1 && !there[w] {
					return false
				}
			}
		}
	}
	return true
}

func sortedKeys(m senders) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// familyOf is the family of senders outside; -1 for containers.
func (n *names) familyOf(id int) int {
	return slices.IndexFunc(n.labels.outside[:], func(of []int) bool { return slices.Contains(of, id) })
}

// whole is the word for all senders outside of a family: empty unless those that no
// list names are on the side, by all interfaces or by all by which they do not keep access.
func (n *names) whole(cl *cell, side int) (words [2]string) {
	if side == keeps {
		return words
	}
	some := false
	for f, outside := range n.labels.outside {
		on, kept := 0, false
		for _, id := range outside {
			via, ok := cl.who[side][id]
			if ok {
				on++
			}
			if !n.rest[id] {
				continue
			}
			_, kept = cl.who[keeps][id]
			all := len(slices.Compact(slices.Sorted(slices.Values(via)))) >= cl.nics
			if ok && (all || kept) {
				words[f] = "everyone"
			}
		}
		some = some || words[f] != "" && (kept || on < len(outside))
	}
	for f := range words {
		if some && words[f] != "" {
			words[f] += " else"
		}
	}
	return words
}

// plain takes the family off where the target has one only.
func (n *names) plain(word string, tos []int) string {
	families := 0
	for _, to := range tos {
		families |= n.family[to]
	}
	switch families {
	case 1:
		return strings.TrimSuffix(word, " (IPv4)")
	case 2:
		return strings.TrimSuffix(word, " (IPv6)")
	}
	return word
}

// via is by which interfaces: those that are named, or those that are not.
func (n *names) via(ids []int, nics int) string {
	if ids == nil || nics < 2 {
		return ""
	}
	words := n.labels.union(ids)
	if !slices.Contains(words, otherNICs) {
		return " via " + strings.Join(words, " or ")
	}
	var others []string
	for _, nics := range n.nics {
		if slices.ContainsFunc(ids, func(id int) bool { return !slices.Contains(nics, id) }) {
			continue
		}
		for _, id := range nics {
			if !slices.Contains(ids, id) {
				others = append(others, n.labels.lists[id]...)
			}
		}
		break
	}
	slices.SortFunc(others, natural)
	return " not via " + strings.Join(others, " or ")
}

// who are the words for these senders: lists and groups of containers that are
// among them as a whole, then the others by themselves.
func (n *names) who(ids []int) []string {
	key := fmt.Sprint(ids)
	if words, ok := n.cache[key]; ok {
		return words
	}
	var words []string
	var outside, inside []int
	for _, id := range ids {
		if slices.Contains(n.labels.outside[0], id) || slices.Contains(n.labels.outside[1], id) {
			outside = append(outside, id)
		} else {
			inside = append(inside, id)
		}
	}
	words = append(n.addresses(outside), n.containers(n.labels.union(inside))...)
	n.cache[key] = words
	return words
}

// addresses names addresses by the file's lists.
func (n *names) addresses(ids []int) []string {
	if len(ids) == 0 {
		return nil
	}
	var words []string
	covered := map[string]bool{}
	for _, l := range n.lists {
		var missing []string
		fresh := false
		for id, in := range l.in {
			if !slices.Contains(ids, id) {
				missing = append(missing, in...)
				continue
			}
			fresh = fresh || slices.ContainsFunc(in, func(w string) bool { return !covered[w] })
		}
		if !fresh || len(missing) > maxExceptions || slices.ContainsFunc(missing, func(w string) bool { return l.own[w] }) {
			continue
		}
		slices.SortFunc(missing, natural)
		word := l.word
		if len(missing) > 0 {
			word += " except " + strings.Join(missing, " and ")
		}
		words = append(words, word)
		for _, id := range ids {
			for _, w := range l.in[id] {
				covered[w] = true
			}
		}
	}
	var left []string
	for _, id := range ids {
		if n.rest[id] {
			words = append(words, "everyone"+halves[0][n.familyOf(id)])
			continue
		}
		left = append(left, n.labels.lists[id]...)
	}
	slices.SortFunc(left, natural)
	left = slices.DeleteFunc(left, func(w string) bool { return covered[w] })
	return append(words, n.holes(left, ids)...)
}

// manyContainers is how many there are at least where one that is missing is named.
const manyContainers = 6

// maxExceptions is how many addresses are named that a list would have besides.
const maxExceptions = 2

// holes adds to prefixes the few parts of them that are not among the senders.
func (n *names) holes(words []string, ids []int) []string {
	if len(words) > maxExceptions {
		return words
	}
	out := slices.Clone(words)
	for i, w := range words {
		p := n.prefixOf[w]
		var missing []string
		for _, id := range n.labels.outside[familyIndex(p.Addr())] {
			if slices.Contains(ids, id) {
				continue
			}
			for _, l := range n.labels.lists[id] {
				if q := n.prefixOf[l]; p.IsValid() && q.Bits() > p.Bits() && p.Contains(q.Addr()) {
					missing = append(missing, l)
				}
			}
		}
		if len(missing) > 0 && len(missing) <= maxExceptions {
			slices.SortFunc(missing, natural)
			out[i] += " except " + strings.Join(missing, " and ")
		}
	}
	return out
}

// containers names containers by the file's selectors and by networks.
func (n *names) containers(left []string) []string {
	var words []string
	if all := n.crews[0]; len(all.has) >= manyContainers && len(left) < len(all.has) && len(left) >= len(all.has)-maxExceptions {
		var missing []string
		for w := range all.has {
			if !slices.Contains(left, w) {
				missing = append(missing, w)
			}
		}
		slices.SortFunc(missing, natural)
		return []string{all.word + " except " + strings.Join(missing, " and ")}
	}
	for _, cr := range n.crews {
		if len(cr.has) < 2 || len(cr.has) > len(left) {
			continue
		}
		of := 0
		for _, w := range left {
			if cr.has[w] {
				of++
			}
		}
		if of == len(cr.has) {
			words = append(words, cr.word)
			left = slices.DeleteFunc(slices.Clone(left), func(w string) bool { return cr.has[w] })
		}
	}
	return append(words, left...)
}
