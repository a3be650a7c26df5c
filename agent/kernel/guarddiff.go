package kernel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"

	"dockwall/rules"
)

// GuardHolds reports whether the table of the bridges denies spoofing where g does, with
// the same allowances. Containers that came or went since do not count. It changes
// nothing, and may be called from any goroutine.
func (*Frames) GuardHolds(g rules.Guard) (bool, error) {
	conn, err := nftables.New()
	if err != nil {
		return false, err
	}
	table := &nftables.Table{Name: FrameTable, Family: nftables.TableFamilyBridge}
	r := guardReader{conn, table}
	on, err := r.on()
	if err != nil || !on || !g.On {
		return on == g.On, err
	}
	for _, apart := range []struct {
		set   string
		ports []int
	}{{setFree, g.Guarded()}, {setGuarded, g.Free}} {
		have, _, err := r.members(apart.set)
		if err != nil {
			return false, err
		}
		for _, key := range portKeys(apart.ports) {
			if slices.Contains(have, key) {
				return false, nil
			}
		}
	}
	return r.allows(g.Allowances)
}

type guardReader struct {
	conn  *nftables.Conn
	table *nftables.Table
}

// on reports whether the table has the guard's rules.
func (r guardReader) on() (bool, error) {
	chains, err := r.conn.ListChainsOfTableFamily(nftables.TableFamilyBridge)
	if err != nil {
		if errors.Is(noFrames(err), rules.ErrNoFrames) {
			return false, nil
		}
		return false, fmt.Errorf("reading nftables table bridge %s: %w", FrameTable, err)
	}
	return slices.ContainsFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name == FrameTable && c.Name == chainSpoofed }), nil
}

// allows reports whether the sets of ranges are those of these allowances and no others.
func (r guardReader) allows(all []rules.Allowance) (bool, error) {
	for i, a := range all {
		for _, s := range []frameSet{{name: numbered(setMore4, i), members: intervalKeys(a.Prefixes, false)}, {name: numbered(setMore6, i), members: intervalKeys(a.Prefixes, true)}} {
			have, there, err := r.members(s.name)
			slices.Sort(s.members)
			if err != nil || !there || !slices.Equal(have, s.members) {
				return false, err
			}
		}
	}
	_, more, err := r.members(numbered(setMore, len(all)))
	return !more, err
}

// members are the set's, sorted, and whether there is such a set.
func (r guardReader) members(set string) (all []string, there bool, err error) {
	// Of a set that is not there, GetSetElements returns an error without its number.
	sets, err := r.conn.GetSets(r.table)
	if err == nil && !slices.ContainsFunc(sets, func(s *nftables.Set) bool { return s.Name == set }) {
		return nil, false, nil
	}
	var found []nftables.SetElement
	if err == nil {
		found, err = r.conn.GetSetElements(&nftables.Set{Table: r.table, Name: set})
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading the set %s of nftables table bridge %s: %w", set, FrameTable, err)
	}
	for _, e := range found {
		all = append(all, elementKey(e))
	}
	slices.Sort(all)
	return all, true, nil
}
