package compile

import (
	"fmt"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/finding"
)

// elsewhereProblems names the networks that the engine lists and whose packets no rule of
// this host meets: those of an engine that is not this host's, and those without a bridge
// here.
func elsewhereProblems(s netinfo.Snapshot) []finding.Finding {
	if !s.Engine.Connected {
		return nil // the bridges may be gone until the engine is back
	}
	if s.Engine.Elsewhere != "" {
		return []finding.Finding{finding.New(finding.DockerElsewhere, fmt.Sprintf(
			"the Docker engine is not this host's: %s. No rule here meets the packets of its containers%s", s.Engine.Elsewhere, ofNetworks(s.Networks)))}
	}
	var ps []finding.Finding
	for _, n := range s.Networks {
		if n.Missing {
			ps = append(ps, finding.New(finding.BridgeMissing, fmt.Sprintf(
				"network %s: Docker lists its bridge %s, but this host has no such bridge: no rule here meets the packets of its containers", n.Name, n.Bridge)).
				About("network "+n.Name))
		}
	}
	return ps
}

// nftablesProblem notes that Docker's own rules are elsewhere than people look for them.
func nftablesProblem(s netinfo.Snapshot) []finding.Finding {
	if !s.Engine.NFTables() {
		return nil
	}
	return []finding.Finding{finding.New(finding.DockerNFTables, "Docker "+s.Engine.Version+
		" keeps its own firewall in nftables and has no DOCKER-USER chain: dockwall makes that chain with iptables, and its rules are in force beside Docker's")}
}

// ofNetworks lists the bridges of the networks.
func ofNetworks(networks []netinfo.Network) string {
	var names []string
	for _, n := range networks {
		if n.Bridge != "" {
			names = append(names, fmt.Sprintf("%s (bridge %s)", n.Name, n.Bridge))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": networks " + strings.Join(names, ", ")
}
