package kernel

import (
	"slices"
	"strings"

	"dockwall/netinfo/hostnet"
)

// bases are the chains of others that dockwall's jumps stand in.
var bases = []string{"FORWARD", "INPUT", "OUTPUT", "DOCKER-USER"}

// Watched reports whether a change there may touch what dockwall wrote. Docker
// commits a dozen transactions for each container that it starts, and none of
// them is.
func Watched(p hostnet.Place) bool {
	if p.Family == hostnet.BridgeFamily {
		return p.Table == FrameTable
	}
	if p.Family == 0 || !slices.Contains(ownTables, p.Table) {
		return false
	}
	return p.Chain == "" || slices.Contains(bases, p.Chain) || strings.HasPrefix(p.Chain, "DOCKWALL-")
}
