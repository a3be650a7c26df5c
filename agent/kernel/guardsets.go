package kernel

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"dockwall/rules"
)

// The sets of rules.Guard. Those of an allowance have its number behind the name.
const (
	setFree     = "free"
	setGuarded  = "guarded"
	setStations = "stations"
	setStrays   = "strays"
	setOwn4     = "own4"
	setOwn6     = "own6"
	// setIDs holds what stateless autoconfiguration makes of a station's Ethernet
	// address, as an address without a prefix.
	setIDs    = "ids"
	setHosts4 = "hosts4"
	setHosts6 = "hosts6"
	setMore   = "more"
	setMore4  = "more4_"
	setMore6  = "more6_"
	// setTold are the ports that dropped frames were reported of lately.
	setTold = "told"
)

var (
	stationType = nftables.MustConcatSetType(nftables.TypeIFIndex, nftables.TypeEtherAddr)
	senderType4 = nftables.MustConcatSetType(nftables.TypeIFIndex, nftables.TypeEtherAddr, nftables.TypeIPAddr)
	senderType6 = nftables.MustConcatSetType(nftables.TypeIFIndex, nftables.TypeEtherAddr, nftables.TypeIP6Addr)
)

func numbered(name string, i int) string { return fmt.Sprint(name, i) }

// guardSets are the sets of a guard, always in the same order.
func guardSets(g rules.Guard) []frameSet {
	var own4, own6, ids []string
	for _, s := range g.Senders {
		key := stationKey(s.Station) + string(s.Addr.AsSlice())
		if s.Addr.Is4() {
			own4 = append(own4, key)
		} else {
			own6 = append(own6, key)
		}
	}
	for _, s := range g.Stations() {
		ids = append(ids, stationKey(s)+string(s.MAC.Identifier().AsSlice()))
	}
	hosts4, hosts6 := addrKeys(g.Hosts)
	sets := []frameSet{
		exact(setFree, nftables.TypeIFIndex, portKeys(g.Free)), exact(setGuarded, nftables.TypeIFIndex, portKeys(g.Guarded())),
		exact(setStations, stationType, stationKeys(g.Stations())), exact(setStrays, stationType, stationKeys(g.Strays)),
		exact(setOwn4, senderType4, own4), exact(setOwn6, senderType6, own6), exact(setIDs, senderType6, ids),
		exact(setHosts4, nftables.TypeIPAddr, hosts4), exact(setHosts6, nftables.TypeIP6Addr, hosts6),
	}
	for i, a := range g.Allowances {
		sets = append(sets, exact(numbered(setMore, i), stationType, stationKeys(a.Stations)),
			frameSet{numbered(setMore4, i), nftables.TypeIPAddr, intervalKeys(a.Prefixes, false), true},
			frameSet{numbered(setMore6, i), nftables.TypeIP6Addr, intervalKeys(a.Prefixes, true), true})
	}
	return sets
}

// stationKey is the station in the kernel's registers: each part begins at a word.
func stationKey(s rules.Station) string {
	return string(append(append(word(uint32(s.Port)), s.MAC[:]...), 0, 0))
}

func stationKeys(all []rules.Station) []string {
	keys := make([]string, 0, len(all))
	for _, s := range all {
		keys = append(keys, stationKey(s))
	}
	return keys
}

// intervalKeys are the prefixes of one family as ranges. One that begins where another
// ends continues it.
func intervalKeys(ps []netip.Prefix, v6 bool) []string {
	var keys []string
	for _, p := range ps {
		if p.Addr().Is6() != v6 {
			continue
		}
		start := string(p.Addr().AsSlice())
		if before := slices.Index(keys, start+endMark); before >= 0 {
			keys = slices.Delete(keys, before, before+1)
		} else {
			keys = append(keys, start)
		}
		if after := lastOf(p).Next(); after.IsValid() {
			keys = append(keys, string(after.AsSlice())+endMark)
		}
	}
	return keys
}

// lastOf is the prefix's last address.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
