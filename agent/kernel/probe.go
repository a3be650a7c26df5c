package kernel

import (
	"context"
	"errors"
	"fmt"

	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
)

// Probe reports whether something changed since the state was read that the
// kernel gives no notice of: sets, or anything in the legacy tables. It looks at
// how many members each set has or, where there are more than a few, whether
// some of the members are still there. With all it is everything: which sets
// there are, how many members each has and, where that is due, each member, and
// whatever is in nftables. It starts no process.
func (k *Kernel) Probe(_ context.Context, s backend.State, all bool) (bool, error) {
	sets := k.setsChanged
	if all {
		sets = k.setsOrMembersChanged
	}
	if changed, err := sets(s); changed || err != nil {
		return changed, err
	}
	if s.Variant == backend.Legacy {
		digest, err := k.legacyDigest()
		return err == nil && digest != k.digest, err
	}
	if !all {
		return false, nil
	}
	now, err := generation(s.Variant)
	return err == nil && now != k.generation, err
}

// generation is nftables' generation, 0 where there is none.
func generation(v backend.Variant) (uint32, error) {
	if v != backend.NFT {
		return 0, nil
	}
	g, err := hostnet.CurrentGeneration()
	if errors.Is(err, hostnet.ErrNoNFTables) {
		return 0, nil
	}
	return g.ID, err
}

const (
	// fewSets is up to how many sets a probe asks how many members each has, if they
	// are few as well. The kernel walks a set to tell, and of some hundred sets, or
	// of a long list, that would be most of what an agent does while nothing
	// happens.
	fewSets    = 24
	fewMembers = 4096
	// Otherwise a probe looks a member up, in as many sets as it can with so many
	// comparisons of names: the kernel finds a set by going through all. At least it
	// is in probedSets.
	comparisons = 6400
	probedSets  = 8
	// readMembers is how many members may be read on average in a thorough look:
	// where all sets have more than that together, every so many looks read them.
	// It is some 3 ms of a processor. A set takes as long as perSet members.
	readMembers = 8 << 10
	perSet      = 16
	// seldom is at how many thorough looks members are read, however many there are.
	seldom = 20
	// manySets is from how many sets on they are counted at every second thorough
	// look; a few are looked into all the time anyway.
	manySets = 256
)

// nextProbed are members of the sets that are looked at this time: sets far
// apart, so that a program which empties all of a kind is found at once, and
// another member each time.
func (k *Kernel) nextProbed(sets []backend.SetState) []probed {
	full := 0
	for i := range sets {
		if len(sets[i].Members) > 0 {
			full++
		}
	}
	each := max(probedSets, comparisons/len(sets))
	rounds := (full + each - 1) / each
	k.probes++
	next := make([]probed, 0, probedSets)
	at := 0
	for i := range sets {
		if len(sets[i].Members) == 0 {
			continue
		}
		if at%rounds == k.probes%rounds {
			next = append(next, oneOf(&sets[i], k.probes/rounds))
		}
		at++
	}
	return next
}

// probed is a member that must be in a set.
type probed struct {
	set    string
	member rules.Member
}

// oneOf is a member of the set, another each round: golden strides come to all parts
// of a list soon.
func oneOf(s *backend.SetState, round int) probed {
	return probed{s.Name, s.Members[uint32(round)*2654435769%uint32(len(s.Members))]}
}

// setsOrMembersChanged compares all members where that is due, and otherwise
// all that shows without reading them: the sets and how many members each has, or
// of many sets at every second time just some of the members.
func (k *Kernel) setsOrMembersChanged(s backend.State) (bool, error) {
	members := perSet * len(s.Sets)
	for i := range s.Sets {
		members += len(s.Sets[i].Members)
	}
	k.unread++
	if k.unread < min(1+members/readMembers, seldom) {
		if len(s.Sets) >= manySets && k.unread%2 == 0 {
			return k.setsChanged(s)
		}
		return changed(s, dumpAllHeaders, func(d *dumped, w *backend.SetState) (bool, error) {
			return d.elements != len(w.Members), nil
		})
	}
	k.unread = 0
	return changed(s, dumpSets, k.membersChanged)
}

// setsChanged compares how many members the sets have, or looks for members of
// some of them, others each time.
func (k *Kernel) setsChanged(s backend.State) (bool, error) {
	if len(s.Sets) == 0 {
		return false, nil
	}
	if len(s.Sets) > fewSets {
		return anyMissing(k.nextProbed(s.Sets))
	}
	k.probes++
	var short []backend.SetState
	var long []probed
	for i := range s.Sets {
		if len(s.Sets[i].Members) > fewMembers {
			long = append(long, oneOf(&s.Sets[i], k.probes))
		} else {
			short = append(short, s.Sets[i])
		}
	}
	if changed, err := countsChanged(short); changed || err != nil {
		return changed, err
	}
	return anyMissing(long)
}

// countsChanged compares how many members the sets have.
func countsChanged(sets []backend.SetState) (bool, error) {
	headers, err := dumpHeaders(sets)
	if err != nil {
		return false, err
	}
	elements := make(map[string]int, len(headers))
	for i := range headers {
		elements[headers[i].state.Name] = headers[i].elements
	}
	for _, set := range sets {
		if n, there := elements[set.Name]; !there || n != len(set.Members) {
			return true, nil
		}
	}
	return false, nil
}

// changed reports whether other sets than these are there, or differs says that
// one of them is not as it was.
func changed(s backend.State, dump func() ([]dumped, error), differs func(d *dumped, w *backend.SetState) (bool, error)) (bool, error) {
	all, err := dump()
	if err != nil {
		return false, err
	}
	if len(all) != len(s.Sets) {
		return true, nil
	}
	want := make(map[string]*backend.SetState, len(s.Sets))
	for i := range s.Sets {
		want[s.Sets[i].Name] = &s.Sets[i]
	}
	for i := range all {
		d := &all[i]
		w := want[d.state.Name]
		if w == nil || d.state.Odd && !w.Odd || d.state.Type != w.Type || d.state.Family != w.Family || d.state.MaxElem != w.MaxElem {
			return true, nil
		}
		if other, err := differs(d, w); other || err != nil {
			return other, err
		}
	}
	return false, nil
}

// membersChanged compares the members. Those of a set that looks as it did when
// it was last read are not read again.
func (k *Kernel) membersChanged(d *dumped, w *backend.SetState) (bool, error) {
	if known, ok := k.digests[w.Name]; ok && known == d.digest {
		return false, nil
	}
	same, err := d.holds(w)
	if err != nil {
		return false, fmt.Errorf("reading set %s: %w", w.Name, err)
	}
	if !same {
		return true, nil
	}
	k.digests[w.Name] = d.digest
	return false, nil
}
