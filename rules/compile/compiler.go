package compile

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// Compiler compiles again and again. It remembers what it did, so that long
// lists are named once, and so that containers which come, go or change cost
// what they are, not what all of them are.
//
// What it returns is what Compile returns. It may be used by one goroutine at a
// time; what it returned is never written to afterwards.
type Compiler struct {
	b     *builder
	rs    rules.Ruleset
	index map[string]int // a set's name -> its place in rs.Sets
	// lent: rs.Sets is shared with another ruleset; own are the places of the sets
	// whose members are not.
	lent  bool
	own   map[int]bool
	lists lists
}

// Compile is the function Compile.
func (c *Compiler) Compile(p policy.Policy, s netinfo.Snapshot) (rules.Ruleset, []finding.Finding) {
	b := newBuilder(p, s)
	before := c.lists
	b.lists = lists{}
	b.lists.remember(before, p)
	rs, problems := b.compile()
	c.b, c.rs, c.lists = b, rs, b.lists
	c.own = map[int]bool{}
	c.index = make(map[string]int, len(rs.Sets))
	for i, set := range rs.Sets {
		c.index[set.Name] = i
	}
	return c.Ruleset(), problems
}

// Ruleset is what was compiled last, with all that Follow moved since.
func (c *Compiler) Ruleset() rules.Ruleset {
	c.lent = true
	clear(c.own)
	return c.rs
}

// Problems returns a function that finds what Compile returns beside the
// ruleset, as of now. It takes its time, and may be called while the Compiler is
// used.
func (c *Compiler) Problems() func() []finding.Finding {
	if c.b == nil {
		return func() []finding.Finding { return nil }
	}
	found, p, s, top := slices.Clone(c.b.problems), c.b.p, c.b.s, c.b.top
	return func() []finding.Finding { return finding.Sort(append(found, findProblems(p, s, top)...)) }
}

// Follow takes a snapshot that differs from the last one in containers only, or in
// the host's own services only, which is most of what happens on a host, and returns what that changes in the
// rules, and whether anything differs at all. Not ok: something else differs, or
// the rules themselves go by a container that changed; then nothing was done, and
// Compile is to be asked.
func (c *Compiler) Follow(s netinfo.Snapshot) (moves []rules.Move, differs, ok bool) {
	if c.b == nil || !c.b.sameSurroundings(s) {
		return nil, false, false
	}
	old, now := changedContainers(c.b.s.Containers, s.Containers)
	if ports := changedPorts(c.b.s.Listeners, s.Listeners); len(ports) > 0 {
		if len(old)+len(now) > 0 {
			return nil, false, false
		}
		return c.followListeners(s, ports), true, true
	}
	for _, shapes := range c.b.shaping {
		if slices.ContainsFunc(old, shapes) || slices.ContainsFunc(now, shapes) {
			return nil, false, false
		}
	}
	c.b.s = s
	if len(old)+len(now) == 0 {
		return nil, false, true
	}
	for i := range c.b.gathered {
		if m := c.move(&c.b.gathered[i], old, now); len(m.Gone)+len(m.Come) > 0 {
			moves = append(moves, m)
		}
	}
	return moves, true, true
}

// followListeners changes the sets that depend on which ports the host's own
// services have.
func (c *Compiler) followListeners(s netinfo.Snapshot, ports map[hostPort]bool) (moves []rules.Move) {
	less := make([][]rules.Member, len(c.b.gathered))
	for i, g := range c.b.gathered {
		if g.listening != nil {
			less[i] = g.listening(ports)
		}
	}
	c.b.s = s
	c.b.hosts = servicesOf(s.Listeners)
	for i := range c.b.gathered {
		if g := &c.b.gathered[i]; g.listening != nil {
			if m := c.exchange(g, less[i], g.listening(ports)); len(m.Gone)+len(m.Come) > 0 {
				moves = append(moves, m)
			}
		}
	}
	return moves
}

// move takes what the old ones add out of the set, and what the new ones add
// in.
func (c *Compiler) move(g *gathered, old, now []netinfo.Container) rules.Move {
	var less, more []rules.Member
	for _, ct := range old {
		less = append(less, g.portion(ct)...)
	}
	for _, ct := range now {
		more = append(more, g.portion(ct)...)
	}
	return c.exchange(g, less, more)
}

// exchange takes less out of the set, and more in. A member may be in either
// more than once: each is for one reason to have it in the set.
func (c *Compiler) exchange(g *gathered, less, more []rules.Member) rules.Move {
	less, more = withoutCommon(less, more)
	if len(less)+len(more) == 0 {
		return rules.Move{}
	}
	set := &c.rs.Sets[c.index[g.set]]
	m := rules.Move{Set: g.set, After: set.After}
	for _, x := range less {
		if g.extra[x] == 0 {
			m.Gone = append(m.Gone, x)
		} else if g.extra[x]--; g.extra[x] == 0 {
			delete(g.extra, x)
		}
	}
	for i, x := range more {
		_, there := slices.BinarySearchFunc(set.Members, x, rules.Member.Compare)
		if at := slices.Index(m.Gone, x); at >= 0 {
			m.Gone = slices.Delete(m.Gone, at, at+1)
		} else if there || i > 0 && more[i-1] == x {
			g.extra[x]++
		} else {
			m.Come = append(m.Come, x)
		}
	}
	c.put(g.set, m)
	return m
}

// put changes the set. The members that were handed out stay as they are.
func (c *Compiler) put(name string, m rules.Move) {
	if len(m.Gone)+len(m.Come) == 0 {
		return
	}
	if c.lent {
		c.rs.Sets, c.lent = slices.Clone(c.rs.Sets), false
	}
	i := c.index[name]
	set := &c.rs.Sets[i]
	if c.own[i] {
		set.Members = rules.Edit(set.Members, m.Gone, m.Come)
		return
	}
	set.Members = rules.Replace(set.Members, m.Gone, m.Come)
	c.own[i] = true
}

// withoutCommon sorts both lists and takes out what is in both, one for one.
func withoutCommon(less, more []rules.Member) (l, m []rules.Member) {
	slices.SortFunc(less, rules.Member.Compare)
	slices.SortFunc(more, rules.Member.Compare)
	i, j := 0, 0
	for i < len(less) && j < len(more) {
		switch d := less[i].Compare(more[j]); {
		case d < 0:
			l = append(l, less[i])
			i++
		case d > 0:
			m = append(m, more[j])
			j++
		default:
			i++
			j++
		}
	}
	return append(l, less[i:]...), append(m, more[j:]...)
}

// sameSurroundings reports whether the snapshot differs from the builder's at most
// in containers and in listeners that are not dockerd's, as far as rules depend on
// it.
func (b *builder) sameSurroundings(s netinfo.Snapshot) bool {
	return b.s.Engine == s.Engine && slices.Equal(dockerds(b.s.Listeners), dockerds(s.Listeners)) && slices.Equal(b.s.Proxies, s.Proxies) &&
		slices.EqualFunc(b.s.Proofs, s.Proofs, netinfo.Proof.Equal) &&
		slices.Equal(b.s.Strangers, s.Strangers) && slices.Equal(b.s.Dialled, s.Dialled) && slices.Equal(b.s.NameServers, s.NameServers) && slices.Equal(b.s.Routes, s.Routes) && slices.Equal(b.s.OtherRoutes, s.OtherRoutes) &&
		slices.EqualFunc(b.s.Networks, s.Networks, netinfo.Network.Equal) &&
		(slices.EqualFunc(b.s.Links, s.Links, netinfo.Link.Equal) || sameButVeths(b.s.Links, s.Links) || b.sameRoads(s))
}

// sameRoads reports whether the rules do not care how the links differ: with each
// container a veth comes and goes.
func (b *builder) sameRoads(s netinfo.Snapshot) bool {
	o := scope{p: b.p, s: s}
	for _, v := range b.p.Interfaces {
		if !slices.Equal(b.nics([]*policy.Interfaces{v}), o.nics([]*policy.Interfaces{v})) {
			return false
		}
	}
	bridges := func(ls []netinfo.Link) []netinfo.Link {
		return slices.DeleteFunc(slices.Clone(ls), func(l netinfo.Link) bool { return !looksDocker(l) })
	}
	t := newTopology(s)
	return slices.EqualFunc(bridges(b.s.Links), bridges(s.Links), netinfo.Link.Equal) && t.equal(&b.top) && b.own.equal(newOwn(s)) &&
		slices.Equal(uncoveredBridges(b.s), uncoveredBridges(s))
}

// changedContainers compares two sorted lists: what the one has and the other
// has not, or has otherwise.
func changedContainers(a, b []netinfo.Container) (old, now []netinfo.Container) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch d := a[i].Compare(&b[j]); {
		case d < 0:
			old = append(old, a[i])
			i++
		case d > 0:
			now = append(now, b[j])
			j++
		default:
			if !a[i].Equal(&b[j]) {
				old, now = append(old, a[i]), append(now, b[j])
			}
			i++
			j++
		}
	}
	return append(old, a[i:]...), append(now, b[j:]...)
}
