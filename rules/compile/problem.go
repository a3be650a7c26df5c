package compile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// findProblems compares the policy with the host. What the engine would have
// to tell is not asked while it has told nothing.
func findProblems(p policy.Policy, s netinfo.Snapshot, t topology) []finding.Finding {
	ps := append(nicProblems(p, s), proofProblems(p, s)...)
	for _, l := range s.Links {
		if p, odd := unmatchable(l); odd {
			ps = append(ps, p)
		}
	}
	if !s.Engine.Known {
		return ps
	}
	ps = append(ps, selectorProblems(p, s)...)
	ps = append(ps, networkProblems(p, s)...)
	ps = append(ps, betweenProblems(p, s)...)
	ps = append(ps, directProblems(p, s)...)
	ps = append(ps, hostNetworkProblems(p, s)...)
	ps = append(ps, quarantineProblems(p, s)...)
	ps = append(ps, uncovered(s)...)
	ps = append(ps, elsewhereProblems(s)...)
	ps = append(ps, unattributedProblems(s)...)
	ps = append(ps, nftablesProblem(s)...)
	return append(ps, uncoveredBridges(s)...)
}

// unmatchable finds an interface whose name no rule can write.
func unmatchable(l netinfo.Link) (finding.Finding, bool) {
	if matchable(l.Name) {
		return finding.Finding{}, false
	}
	p := finding.New(finding.UnmatchableInterface, fmt.Sprintf("no rule can name the interface %q: packets to it are treated as packets to a container", l.Name)).
		About("interface " + l.Name)
	if named, ok := linkOf(l.Name); ok {
		p.Message = fmt.Sprintf("no rule can name exactly the interface %q: its rules are written for every interface that begins with %q", l.Name, named.name)
	}
	return p, true
}

// uncoveredBridges names the networks whose bridge has a port that is no
// container's. What is behind it is inside to all rules: a NIC's whole LAN is.
func uncoveredBridges(s netinfo.Snapshot) []finding.Finding {
	var ps []finding.Finding
	bridges := map[int]string{}
	for _, l := range s.Links {
		bridges[l.Index] = l.Name
	}
	for _, l := range s.Links {
		if l.Master == 0 || isContainerVeth(l) {
			continue
		}
		for _, n := range s.Networks {
			if n.Bridge != "" && n.Bridge == bridges[l.Master] {
				text := fmt.Sprintf("network %s: the interface %s is a port of its bridge %s, so every host behind %s is treated as a container of this network: "+
					"published and direct do not keep them out. Take it out of the bridge (ip link set %s nomaster)", n.Name, l.Name, n.Bridge, l.Name, l.Name)
				ps = append(ps, finding.New(finding.NotCovered, text).About("network "+n.Name))
			}
		}
	}
	return ps
}

func nicProblems(p policy.Policy, s netinfo.Snapshot) []finding.Finding {
	var ps []finding.Finding
	for _, v := range p.Interfaces {
		for _, n := range v.Names {
			name, prefix := strings.CutSuffix(n, "*")
			l := link{name: name, prefix: prefix}
			if p, port := portProblem(v, n, l, s); port {
				ps = append(ps, p)
			}
			if !slices.ContainsFunc(s.Links, func(k netinfo.Link) bool { return l.covers(k.Name) }) {
				ps = append(ps, finding.New(finding.NICMissing, fmt.Sprintf("interfaces.%s: this host has no interface %q now", v.Name, n)).About("interfaces."+v.Name).At(v.Origin))
			}
		}
		if len(v.Names) == 0 && !slices.ContainsFunc(s.Links, func(k netinfo.Link) bool { return hasAddrIn(k, v) }) {
			ps = append(ps, finding.New(finding.NICMissing, fmt.Sprintf("interfaces.%s: no interface has an address in its cidrs now", v.Name)).About("interfaces."+v.Name).At(v.Origin))
		}
	}
	return ps
}

// portProblem finds a name that covers ports of bridges and bonds alone. No rule sees
// such a name: their packets come in by the master.
func portProblem(v *policy.Interfaces, name string, l link, s netinfo.Snapshot) (finding.Finding, bool) {
	var port, master string
	for _, k := range s.Links {
		if !l.covers(k.Name) {
			continue
		}
		m, ok := netinfo.MasterOf(s.Links, k.Name)
		if !ok {
			return finding.Finding{}, false
		}
		port, master = k.Name, m.Name
	}
	if port == "" {
		return finding.Finding{}, false
	}
	text := fmt.Sprintf("interfaces.%s: %q never matches, because %s is a port of %s and its packets come in by %s: name %s instead", v.Name, name, port, master, master, master)
	return finding.New(finding.NICIsPort, text).About("interfaces." + v.Name).At(v.Origin), true
}

func selectorProblems(p policy.Policy, s netinfo.Snapshot) []finding.Finding {
	var ps []finding.Finding
	for _, sel := range p.Containers {
		matched := false
		for _, c := range s.Containers {
			if matched && c.SharesWith == "" || !sel.Match(c) {
				continue
			}
			matched = true
			if c.SharesWith != "" {
				ps = append(ps, finding.New(finding.SharesNetwork, fmt.Sprintf("containers.%s: %s uses the network of another container (%s) and is judged as that one",
					sel.Name, c.Name, nameOf(s, c.SharesWith))).About("containers."+sel.Name).At(sel.Origin))
			}
		}
		if !matched {
			ps = append(ps, finding.New(finding.SelectorMatchesNone, fmt.Sprintf("containers.%s matches no container now", sel.Name)).About("containers."+sel.Name).At(sel.Origin))
		}
	}
	return ps
}

func networkProblems(p policy.Policy, s netinfo.Snapshot) []finding.Finding {
	var ps []finding.Finding
	exists := func(name string) bool {
		return slices.ContainsFunc(s.Networks, func(n netinfo.Network) bool { return n.Name == name })
	}
	for _, n := range p.Networks {
		if !exists(n.Name) {
			ps = append(ps, finding.New(finding.NetworkMissing, fmt.Sprintf("network %q: Docker has no network of this name now", n.Name)).About("network "+n.Name).At(n.Origin))
		}
	}
	return ps
}

// betweenProblems finds blocks that allow what cannot happen: two sides that
// share no network meet only through published ports.
func betweenProblems(p policy.Policy, s netinfo.Snapshot) []finding.Finding {
	var ps []finding.Finding
	at := whereabouts{s: s, names: map[string]string{}, known: map[*policy.Selector]map[string]bool{}}
	for _, n := range s.Networks {
		at.names[n.ID] = n.Name
	}
	for _, bt := range p.Between {
		from, to := at.of(bt.From), at.of(bt.To)
		if len(from) > 0 && len(to) > 0 && !anyIn(from, to) {
			ps = append(ps, finding.New(finding.NoCommonNetwork, fmt.Sprintf("%s: its two sides share no network now, so it allows only the way through published ports", bt.Origin.Subject)).
				About("between."+bt.Name).At(bt.Origin))
		}
	}
	return ps
}

// hostNetworkProblems finds containers of the host's own network that a block
// names as senders: what they send is the host's, and no block's business.
func hostNetworkProblems(p policy.Policy, s netinfo.Snapshot) []finding.Finding {
	var ps []finding.Finding
	for e := range p.Entries() {
		if e.From.Containers == nil {
			continue
		}
		for _, c := range s.Containers {
			if names(*e.From.Containers, c) {
				ps = append(ps, finding.New(finding.NotCovered, fmt.Sprintf("%s: container %s is on the host's own network: what it sends is the host's and is not covered",
					e.Origin.Subject, c.Name)).About("container "+c.Name).At(e.Origin))
			}
		}
	}
	return ps
}

// whereabouts finds the networks on which selectors choose a container. Blocks share
// selectors, and each is held against the containers once.
type whereabouts struct {
	s     netinfo.Snapshot
	names map[string]string // of networks, by ID
	known map[*policy.Selector]map[string]bool
}

// of are the networks' IDs; no selectors choose everybody.
func (w whereabouts) of(sels []*policy.Selector) map[string]bool {
	if len(sels) == 0 {
		return w.one(nil)
	}
	if len(sels) == 1 {
		return w.one(sels[0])
	}
	all := map[string]bool{}
	for _, sel := range sels {
		maps.Copy(all, w.one(sel))
	}
	return all
}

func (w whereabouts) one(sel *policy.Selector) map[string]bool {
	if ids, ok := w.known[sel]; ok {
		return ids
	}
	ids := map[string]bool{}
	var sels []*policy.Selector
	if sel != nil {
		sels = append(sels, sel)
	}
	for _, c := range w.s.Containers {
		for _, e := range c.Endpoints {
			if name, ok := w.names[e.NetworkID]; ok && !ids[e.NetworkID] && selects(sels, c, name) {
				ids[e.NetworkID] = true
			}
		}
	}
	w.known[sel] = ids
	return ids
}

func anyIn(some, all map[string]bool) bool {
	for id := range some {
		if all[id] {
			return true
		}
	}
	return false
}

// uncovered names the containers whose traffic never meets the host's rules.
func uncovered(s netinfo.Snapshot) []finding.Finding {
	var ps []finding.Finding
	bare := map[string]netinfo.Network{}
	for _, n := range s.Networks {
		if n.Driver == "macvlan" || n.Driver == "ipvlan" {
			bare[n.ID] = n
		}
	}
	for _, c := range s.Containers {
		if len(c.ByHand) > 0 {
			ps = append(ps, finding.New(finding.NotCovered, fmt.Sprintf("container %s has an interface that Docker did not make (%s): its traffic there does not meet the host's rules as this container's and is not covered",
				c.Name, strings.Join(c.ByHand, ", "))).About("container "+c.Name))
		}
		for _, e := range c.Endpoints {
			if n, ok := bare[e.NetworkID]; ok {
				ps = append(ps, finding.New(finding.NotCovered, fmt.Sprintf("container %s is on network %s (%s): its traffic never meets the host's rules and is not covered",
					c.Name, n.Name, n.Driver)).About("container "+c.Name))
			}
		}
	}
	return ps
}

func nameOf(s netinfo.Snapshot, id string) string {
	for _, c := range s.Containers {
		if c.ID == id {
			return c.Name
		}
	}
	return id
}
