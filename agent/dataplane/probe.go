package dataplane

import (
	"context"
	"errors"
	"fmt"

	"dockwall/netinfo/hostnet"
	backend "dockwall/rules/iptables"
)

// Probe tells whether something changed since the state was read that the
// kernel gives no notice of: the number of members of a set, or anything in
// the legacy tables. With all it is everything: each member, and whatever is in
// nftables. It starts no process.
func (k *Kernel) Probe(_ context.Context, s backend.State, all bool) (bool, error) {
	sets := k.setsChanged
	if all {
		sets = k.membersChanged
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

// probeRounds is in how many probes all sets are looked at, where there are more than
// fewSets: to tell how many members a set has the kernel walks it, and of some hundred
// sets that is most of what an agent does while nothing happens. Each time it is every
// fourth, so that who empties all of a kind is found at once all the same.
const (
	probeRounds = 4
	fewSets     = 64
)

// nextProbed are the sets that are looked at this time.
func (k *Kernel) nextProbed(sets []backend.SetState) []backend.SetState {
	rounds := probeRounds
	if len(sets) <= fewSets {
		rounds = 1
	}
	k.probed++
	var next []backend.SetState
	for i := k.probed % rounds; i < len(sets); i += rounds {
		next = append(next, sets[i])
	}
	return next
}

// setsChanged compares how many members some of the sets have, others each time.
func (k *Kernel) setsChanged(s backend.State) (bool, error) {
	if len(s.Sets) == 0 {
		return false, nil
	}
	probed := k.nextProbed(s.Sets)
	headers, err := dumpHeaders(probed)
	if err != nil {
		return false, err
	}
	elements := make(map[string]int, len(headers))
	for i := range headers {
		elements[headers[i].state.Name] = headers[i].elements
	}
	for _, set := range probed {
		if n, there := elements[set.Name]; !there || n != len(set.Members) {
			return true, nil
		}
	}
	return false, nil
}

// membersChanged compares all members. Those of a set that looks as it did when
// it was last read are not read again.
func (k *Kernel) membersChanged(s backend.State) (bool, error) {
	all, err := dumpSets()
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
		if w == nil || d.state.Odd != w.Odd || d.state.Type != w.Type || d.state.Family != w.Family || d.state.MaxElem != w.MaxElem {
			return true, nil
		}
		if known, ok := k.digests[w.Name]; ok && known == d.digest {
			continue
		}
		now, err := d.read()
		if err != nil {
			return false, fmt.Errorf("reading set %s: %w", w.Name, err)
		}
		if now.Odd != w.Odd || !backend.EqualMembers(now.Members, w.Members) {
			return true, nil
		}
		k.digests[w.Name] = d.digest
	}
	return false, nil
}
