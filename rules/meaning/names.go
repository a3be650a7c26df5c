package meaning

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// names knows the file's own words for senders and targets.
type names struct {
	labels *labels
	// lists are the file's lists of addresses, once for each family.
	lists []block
	// rest are the numbers of the labels that hold all addresses of a family
	// which no list names.
	rest map[int]bool
	// nics are the numbers of the labels of interfaces that packets come in by, and
	// of those that they leave by.
	nics [2][]int
	// crews are groups of containers: all, those of a network, those of a selector.
	crews     []crew
	selectors []crew
	// places are the blocks of addresses by their labels in one family.
	places map[string]string
	// v6 reports whether a container has an IPv6 address.
	v6 bool
	// on are the containers of each network.
	on map[string]map[string]bool
	// prefixOf are the prefixes of the labels of senders outside.
	prefixOf map[string]netip.Prefix
	// groups are targets that one word names together.
	groups []group
	// words are the labels of targets in the order of the targets, and numbers are
	// their places in it. targetsOf are those by the number of a list of labels.
	words     []string
	numbers   map[string]int
	targetsOf map[int][]int
	ofTargets
	cache map[string][]string
}

// ofTargets is what is known of each target, by the number of its label.
type ofTargets struct {
	// near are the networks of the targets that are containers' own ports, and owner
	// is the container that publishes a port.
	near  map[int][]string
	owner map[int]string
	// keptBy are the blocks by which containers keep access to a target.
	keptBy map[int][]rules.Subject
	// family is, by target, the families in which it is reached: 1, 2 or 3.
	family map[int]int
}

// block is an addresses block, as a whole or in one family.
type block struct {
	word string
	// in are the labels of it by the number of their list of labels.
	in map[int][]string
	// own are its own prefixes as labels: what lies inside one may be an exception.
	own map[string]bool
}

// crew is a group of containers.
type crew struct {
	word string
	has  map[string]bool
}

// group is a group of targets.
type group struct {
	word string
	ids  []int
	// least is how many there are at least, for the word to be shorter.
	least int
}

// newNames reads the policy's names.
func newNames(l *labels, p policy.Policy, s netinfo.Snapshot) *names {
	n := &names{places: places(p.Addresses), labels: l, rest: map[int]bool{}, cache: map[string][]string{},
		on: map[string]map[string]bool{}, numbers: map[string]int{}, targetsOf: map[int][]int{},
		ofTargets: ofTargets{near: map[int][]string{}, owner: map[int]string{}, keptBy: map[int][]rules.Subject{}, family: map[int]int{}}}
	all := crew{"every container", map[string]bool{}}
	byNetwork := map[string]map[string]bool{}
	for i := range s.Containers {
		ct := &s.Containers[i]
		for _, e := range ct.Endpoints {
			if byNetwork[e.NetworkID] == nil {
				byNetwork[e.NetworkID] = map[string]bool{}
			}
			byNetwork[e.NetworkID][ct.Name] = true
			all.has[ct.Name] = true
			n.v6 = n.v6 || slices.ContainsFunc(e.Addrs, netip.Addr.Is6)
		}
	}
	n.crews = append(n.crews, all)
	for _, sel := range p.Containers {
		of := map[string]bool{}
		for _, ct := range s.Containers {
			if all.has[ct.Name] && sel.Match(ct) {
				of[ct.Name] = true
			}
		}
		n.selectors = append(n.selectors, crew{"containers." + sel.Name, of})
	}
	n.crews = append(n.crews, n.selectors...)
	for _, net := range s.Networks {
		n.on[net.Name] = byNetwork[net.ID]
		n.crews = append(n.crews, crew{"every container on " + net.Name, byNetwork[net.ID]})
	}
	return n
}

// targets are the words for these targets, the groups that are there as a whole first.
// If coarse, containers' own ports are named by their networks.
func (n *names) targets(ids []int, coarse bool) []string {
	var words, left []string
	for _, g := range n.groups {
		if len(g.ids) < g.least || slices.ContainsFunc(g.ids, func(id int) bool { _, ok := slices.BinarySearch(ids, id); return !ok }) {
			continue
		}
		words = append(words, g.word)
		ids = slices.DeleteFunc(slices.Clone(ids), func(id int) bool { _, ok := slices.BinarySearch(g.ids, id); return ok })
	}
	for _, id := range ids {
		if !coarse || n.near[id] == nil {
			w := n.words[id]
			if !n.v6 {
				w = strings.TrimSuffix(w, halves[0][0])
			}
			left = append(left, w)
			continue
		}
		for _, network := range n.near[id] {
			if w := "containers on " + network; !slices.Contains(left, w) {
				left = append(left, w)
			}
		}
	}
	return append(words, n.labels.join(left)...)
}

// target takes note of a target.
func (n *names) target(id int, v6 bool) {
	if n.targetsOf[id] == nil {
		for _, w := range n.labels.lists[id] {
			at, ok := n.numbers[w]
			if !ok {
				at = len(n.words)
				n.numbers[w] = at
				n.words = append(n.words, w)
			}
			n.targetsOf[id] = append(n.targetsOf[id], at)
		}
	}
	bit := 1
	if v6 {
		bit = 2
	}
	for _, at := range n.targetsOf[id] {
		n.family[at] |= bit
	}
}

// group takes note that one word names these targets together.
func (n *names) group(word string, least int, ts []class[target]) {
	g := group{word: word, least: least}
	for _, t := range ts {
		g.ids = append(g.ids, n.targetsOf[t.id]...)
	}
	slices.Sort(g.ids)
	g.ids = slices.Compact(g.ids)
	n.groups = append(n.groups, g)
}

// read notes how the prefixes of the addresses blocks lie in the labels of senders
// outside. A block of which a prefix was not looked at cannot be named.
func (n *names) read(blocks []*policy.Addresses, of map[string]netip.Prefix, looked map[netip.Prefix]bool) {
	n.prefixOf = of
	for _, b := range blocks {
		if slices.ContainsFunc(b.Prefixes, func(p netip.Prefix) bool { return !looked[p.Masked()] }) {
			continue
		}
		parts := []block{newBlock(b.Name), newBlock(b.Name + halves[0][0]), newBlock(b.Name + halves[0][1])}
		tree := new(bart.Lite)
		for _, p := range b.Prefixes {
			tree.Insert(p.Masked())
			for _, i := range []int{0, 1 + familyIndex(p.Addr())} {
				parts[i].own[prefixLabel(p.Masked(), rules.Src, true)] = true
			}
		}
		for f, outside := range n.labels.outside {
			for _, id := range outside {
				for _, w := range n.labels.lists[id] {
					if p, ok := of[w]; ok && tree.LookupPrefix(p) {
						parts[0].in[id] = append(parts[0].in[id], w)
						parts[1+f].in[id] = append(parts[1+f].in[id], w)
					}
				}
			}
		}
		if len(parts[1].own) == 0 || len(parts[2].own) == 0 {
			parts = parts[:1]
		}
		n.lists = append(n.lists, parts...)
	}
	size := func(l block) (n int) {
		for _, in := range l.in {
			n += len(in)
		}
		return n
	}
	slices.SortStableFunc(n.lists, func(a, b block) int { return size(b) - size(a) })
}

func newBlock(word string) block {
	return block{word: word, in: map[int][]string{}, own: map[string]bool{}}
}

func familyIndex(a netip.Addr) int {
	if a.Is6() {
		return 1
	}
	return 0
}

// keep takes note of a block that lets containers reach the target.
func (n *names) keep(id int, by rules.Subject) {
	if weight(by) < 2 {
		return
	}
	for _, to := range n.targetsOf[id] {
		if !slices.Contains(n.keptBy[to], by) {
			n.keptBy[to] = append(n.keptBy[to], by)
		}
	}
}

// neighbours takes note of the network on which a target is a container's own port.
func (n *names) neighbours(id int, network string) {
	for _, to := range n.targetsOf[id] {
		if !slices.Contains(n.near[to], network) {
			n.near[to] = append(n.near[to], network)
		}
	}
}

// publishers takes note of which container publishes what, and groups the ports by
// the file's selectors.
func (n *names) publishers(owner map[string]string) {
	for at, w := range n.words {
		if ct := owner[w]; ct != "" {
			n.owner[at] = ct
		}
	}
	for _, cr := range n.selectors {
		g := group{word: "ports of " + cr.word, least: fewOwn}
		for at := range n.words {
			if cr.has[n.owner[at]] {
				g.ids = append(g.ids, at)
			}
		}
		n.groups = append(n.groups, g)
	}
}

// fewOwn is how many ports of a selector's containers are named one by one.
const fewOwn = 3

// places are the names of blocks of addresses by the labels of their prefixes in one
// family.
func places(blocks []*policy.Addresses) map[string]string {
	at := map[string]string{}
	for _, b := range blocks {
		var of [2][]string
		for _, p := range b.Prefixes {
			f := familyIndex(p.Addr())
			of[f] = append(of[f], prefixLabel(p.Masked(), rules.Dst, true))
		}
		for f, labels := range of {
			word := b.Name
			if len(of[1-f]) > 0 {
				word += halves[0][f]
			}
			slices.SortFunc(labels, natural)
			if key := strings.Join(labels, " "); len(labels) > 0 && at[key] == "" {
				at[key] = word
			}
		}
	}
	return at
}

// place is the name of addresses outside: the file's, or the first of the addresses.
func (n *names) place(labels []string) string {
	if word, ok := n.places[strings.Join(slices.SortedFunc(slices.Values(labels), natural), " ")]; ok {
		return word
	}
	return list(labels)
}
