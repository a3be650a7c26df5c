package policy

import (
	"cmp"
	"iter"
	"slices"

	"dockwall/rules"
)

// Entry is one block that judges packets, of whichever kind: what code that treats
// all kinds alike needs of it. The pointers lead into the block; one is nil if the
// kind has no such attribute.
type Entry struct {
	Kind   rules.Kind
	Name   string // empty for docker_api and swarm
	Origin rules.Origin

	From, To Side
	// Spared are containers of which the block does not speak.
	Spared *[]*Selector
	Except *AddressList
	Ports  *[]Ports
	// NoPorts reports whether the block allows no port at all.
	NoPorts bool
	Via     *[]*Interfaces
}

// Side is from or to of a block: containers, addresses, or a mixture.
type Side struct {
	Containers *[]*Selector
	Addresses  *AddressList
}

// Lists yields the block's lists of addresses.
func (e Entry) Lists() iter.Seq[*AddressList] {
	return func(yield func(*AddressList) bool) {
		for _, l := range []*AddressList{e.From.Addresses, e.To.Addresses, e.Except} {
			if l != nil && !yield(l) {
				return
			}
		}
	}
}

// Selectors yields the block's lists of containers.
func (e Entry) Selectors() iter.Seq[*[]*Selector] {
	return func(yield func(*[]*Selector) bool) {
		for _, l := range []*[]*Selector{e.From.Containers, e.To.Containers, e.Spared} {
			if l != nil && !yield(l) {
				return
			}
		}
	}
}

// Entries yields every block that judges packets: kind by kind, those of one kind in
// the order of the policy. A new kind of block is added to kinds; everything that
// treats all kinds alike then knows it.
func (p *Policy) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, k := range p.kinds() {
			if !k.each(yield) {
				return
			}
		}
	}
}

// Clone returns a copy whose blocks can be changed without changing p. The names
// blocks and the elements of lists are shared.
func (p Policy) Clone() Policy {
	for _, k := range p.kinds() {
		k.clone()
	}
	return p
}

// Sort brings the blocks into the order of invariant 1.
func (p *Policy) Sort() {
	for _, k := range p.kinds() {
		k.sort()
	}
	slices.SortFunc(p.Networks, func(a, b Network) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Addresses, func(a, b *Addresses) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Interfaces, func(a, b *Interfaces) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Containers, func(a, b *Selector) int { return cmp.Compare(a.Name, b.Name) })
}

// kinds are the kinds of blocks, in the order in which people think of them.
func (p *Policy) kinds() []blocks {
	return []blocks{
		many(&p.Published, (*Published).entry),
		many(&p.Direct, (*Direct).entry),
		many(&p.Between, (*Between).entry),
		many(&p.Egress, (*Egress).entry),
		many(&p.Host, (*Host).entry),
		one(&p.DockerAPI, (*DockerAPI).entry),
		one(&p.Swarm, (*Swarm).entry),
		many(&p.Blocks, (*Block).entry),
		many(&p.Quarantines, (*Quarantine).entry),
		many(&p.Spoofing, (*Spoofing).entry),
	}
}

// blocks are all blocks of one kind.
type blocks struct {
	// each yields them, and reports whether yield wants more.
	each func(yield func(Entry) bool) bool
	// clone replaces them by copies, sort sorts them by name.
	clone, sort func()
}

// many is a kind of which there can be several blocks, each with a name.
func many[T any](list *[]*T, entry func(*T) Entry) blocks {
	return blocks{
		each: func(yield func(Entry) bool) bool {
			for _, b := range *list {
				if !yield(entry(b)) {
					return false
				}
			}
			return true
		},
		clone: func() {
			*list = slices.Clone(*list)
			for i, b := range *list {
				c := *b
				(*list)[i] = &c
			}
		},
		sort: func() {
			slices.SortFunc(*list, func(a, b *T) int { return cmp.Compare(entry(a).Name, entry(b).Name) })
		},
	}
}

// one is a kind of which there is at most one block.
func one[T any](b **T, entry func(*T) Entry) blocks {
	return blocks{
		each: func(yield func(Entry) bool) bool { return *b == nil || yield(entry(*b)) },
		clone: func() {
			if *b != nil {
				c := **b
				*b = &c
			}
		},
		sort: func() {},
	}
}

func (b *Published) entry() Entry {
	return Entry{Kind: rules.KindPublished, Name: b.Name, Origin: b.Origin, From: Side{Addresses: &b.From}, To: Side{Containers: &b.To},
		Except: &b.Except, Ports: &b.Ports, Via: &b.Via}
}

func (b *Direct) entry() Entry {
	return Entry{Kind: rules.KindDirect, Name: b.Name, Origin: b.Origin, From: Side{Addresses: &b.From}, To: Side{&b.To, &b.Behind},
		Except: &b.Except, Ports: &b.Ports, Via: &b.Via}
}

func (b *Between) entry() Entry {
	return Entry{Kind: rules.KindBetween, Name: b.Name, Origin: b.Origin, From: Side{Containers: &b.From}, To: Side{Containers: &b.To}, Ports: &b.Ports}
}

func (b *Egress) entry() Entry {
	return Entry{Kind: rules.KindEgress, Name: b.Name, Origin: b.Origin, From: Side{Containers: &b.From}, To: Side{Addresses: &b.To},
		Except: &b.Except, Ports: &b.Ports, Via: &b.Via}
}

func (b *Host) entry() Entry {
	return Entry{Kind: rules.KindHost, Name: b.Name, Origin: b.Origin, From: Side{Containers: &b.From}, Ports: &b.Ports, NoPorts: b.NoPorts}
}

func (b *DockerAPI) entry() Entry {
	return Entry{Kind: rules.KindDockerAPI, Origin: b.Origin, From: Side{Addresses: &b.From}, Except: &b.Except,
		Ports: &b.Ports, Via: &b.Via}
}

func (b *Block) entry() Entry {
	return Entry{Kind: rules.KindBlock, Name: b.Name, Origin: b.Origin, From: Side{Addresses: &b.From}, To: Side{Addresses: &b.To}}
}
